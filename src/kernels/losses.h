// L1 losses in one pass over memory per result, and BEGAN's controller on the device. On CUDA
// everything is queued on the current stream; the host never waits.
//
// The order of sums depends only on the number of elements: bitwise equal for any number of threads
// on every CPU; GPUs agree up to rounding.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// Mean of abs(a - b): float, same shape, same device, at least one element; returns float []. Sums
// in the order of a's memory; copies b first if its layout differs.
[[nodiscard]] at::Tensor l1_mean(const at::Tensor& a, const at::Tensor& b);

// Gradients of upstream * l1_mean(a, b) in one pass:
//   upstream   float []
// Both have a's layout and are upstream / n times the sign of a - b or b - a; undefined where not
// requested. The sign of 0 is 0.
struct L1GradientPair {
  at::Tensor a, b;
};
struct Wanted {
  bool a = true;
  bool b = true;
};
[[nodiscard]] L1GradientPair l1_gradients(const at::Tensor& a, const at::Tensor& b,
                                          const at::Tensor& upstream, Wanted wanted);

// One step of BEGAN's controller (objectives/began.h has the equations), from sums over the global
// batch that are on the device:
//   discriminator  float [>= 3]: sums of L(x) and of L(G(z_D)), and the number of samples
//   generator      float [>= 2]: sum of L(G(z_G)) and the number of samples; undefined where the
//                  generator is trained on the discriminator's images
//   k              double [], updated in place: clamped to [0, 1]; unchanged where the new value is
//                  NaN
// Returns double [5]: the means L(x), L(G(z_D)), L(G(z_G)), L(x) - k L(G(z_D)) with the previous k,
// and the convergence measure M.
[[nodiscard]] at::Tensor began_controller(const at::Tensor& discriminator,
                                          const at::Tensor& generator, const at::Tensor& k,
                                          double gamma, double lambda);

}  // namespace valley::kernels
