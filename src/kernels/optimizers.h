// The updates that optimizers and averages make: one pass each over the flat buffers of a network.
//
// All tensors are on one device, which decides where a pass runs; on CUDA it is queued on the
// current stream and never blocks the host. In each, in place:
//   value, gradient, moments  float [n]
//   rate     double []: the learning rate
//   updates  int64 []: how many updates were made, this one included
//   skip     int32 []: value and moments stay as they are where it is not 0
// Element-wise, so that results do not depend on threads; CPU and GPU agree up to rounding.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// What all passes share.
struct Update {
  const at::Tensor& value;
  const at::Tensor& gradient;
  const at::Tensor& rate;
  const at::Tensor& updates;
  const at::Tensor& skip;
  // bfloat16 [n]: becomes value rounded to it, unless skip; undefined: there is none.
  at::Tensor shadow = {};
  // The gradient becomes 0 once it was read, also where skip says that it is not used.
  bool clear_gradient = false;
};

// Kingma & Ba 2015, algorithm 1. Without bias correction the moments are taken as they are.
struct AdamSettings {
  double beta1 = 0.5;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool bias_correction = true;
};
void adam(const Update& update, const at::Tensor& first, const at::Tensor& second,
          const AdamSettings& settings);

// Kingma & Ba 2015, algorithm 2: the second moment is a decaying maximum of abs(gradient), u.
//   with bias correction     u = max(beta2 u, |g| + epsilon), step rate / (1 - beta1^t)
//   without bias correction  u = max(beta2 u + epsilon, |g|), step rate
// The paper has no epsilon. It stands where PyTorch's Adamax has it in the first form, and where
// the MAGAN authors' code (RuohanW/magan, adamax.py, which they have from openai/iaf) has it in the
// second.
struct AdamaxSettings {
  double beta1 = 0.5;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool bias_correction = true;
};
void adamax(const Update& update, const at::Tensor& first, const at::Tensor& second,
            const AdamaxSettings& settings);

// value -= rate * velocity with velocity = momentum * velocity + gradient, as PyTorch has it;
// value -= rate * gradient with an undefined `velocity`, which is for a momentum of 0.
struct SgdSettings {
  double momentum = 0;
};
void sgd(const Update& update, const at::Tensor& velocity, const SgdSettings& settings);

// average = decay * average + (1 - decay) * value, unless skip: exponential moving average of flat
// buffers, float [n].
void moving_average(const at::Tensor& average, const at::Tensor& value, double decay,
                    const at::Tensor& skip);

}  // namespace valley::kernels
