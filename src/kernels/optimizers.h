// Updates of optimizers and moving averages: one pass each over the flat buffers of a network.
//
// Each runs on the device of its tensors; on CUDA it is queued on the current stream and never
// blocks the host. In place:
//   value, gradient, moments  float [n]
//   rate     double []: the learning rate
//   updates  int64 []: number of updates, including this one
//   skip     int32 []: not 0: value and moments stay unchanged
// Element-wise: results do not depend on the number of threads; CPU and GPU agree up to rounding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace valley::kernels {

// Arguments that all updates share.
struct Update {
  const at::Tensor& value;
  const at::Tensor& gradient;
  const at::Tensor& rate;
  const at::Tensor& updates;
  const at::Tensor& skip;
  // bf16 copy of value, [n], updated unless skip; may be undefined.
  at::Tensor shadow = {};
  // Sets the gradient to 0 after reading it, also with skip.
  bool clear_gradient = false;
};

// Kingma & Ba 2015, algorithm 1, with or without bias correction.
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
// The paper has no epsilon. The first form has it where PyTorch's Adamax has it, the second where
// the MAGAN authors' code has it (RuohanW/magan, adamax.py, from openai/iaf).
struct AdamaxSettings {
  double beta1 = 0.5;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool bias_correction = true;
};
void adamax(const Update& update, const at::Tensor& first, const at::Tensor& second,
            const AdamaxSettings& settings);

// value -= rate * velocity with velocity = momentum * velocity + gradient, as in PyTorch;
// value -= rate * gradient if `velocity` is undefined, for momentum 0.
struct SgdSettings {
  double momentum = 0;
};
void sgd(const Update& update, const at::Tensor& velocity, const SgdSettings& settings);

// Clipping by the global norm (Pascanu, Mikolov & Bengio 2013), as torch.nn.utils.clip_grad_norm_:
// norm = the Euclidean norm of gradient, then gradient *= min(1, max_norm / (norm + 1e-6)).
//   gradient  float [n]
//   norm      float []
// Summed in double precision and in a fixed order on each kind of device.
void clip_by_norm(const at::Tensor& gradient, double max_norm, const at::Tensor& norm);

// Decoupled weight decay (AdamW; Loshchilov & Hutter 2019, algorithm 2), before an update:
// value *= 1 - rate * decay, unless skip, in the chosen blocks of `block` elements.
//   value   float [n]
//   chosen  uint8 [ceil(n / block)]: not 0 where a block decays
void decay_weights(const at::Tensor& value, const at::Tensor& chosen, std::int64_t block,
                   const at::Tensor& rate, double decay, const at::Tensor& skip);

// average = decay * average + (1 - decay) * value, unless skip: exponential moving average of flat
// buffers, float [n].
void moving_average(const at::Tensor& average, const at::Tensor& value, double decay,
                    const at::Tensor& skip);

}  // namespace valley::kernels
