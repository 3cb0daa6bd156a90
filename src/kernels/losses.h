// What losses ask of memory, in as few passes as there are results, and the arithmetic that follows
// them on the device: on CUDA everything is queued on the current stream, the host never waits.
//
// Sums are made in an order that the number of elements alone decides: the same bits for any number
// of threads, on every CPU; a GPU agrees up to rounding.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley::kernels {

// The mean of abs(a - b): float, of one shape, on one device, at least one element; returns float
// []. The order of elements is that of a's memory: where b lies otherwise, it is copied first.
[[nodiscard]] at::Tensor l1_mean(const at::Tensor& a, const at::Tensor& b);

// The gradients of upstream * l1_mean(a, b), one pass for both:
//   upstream   float []
// Each is allocated like a, upstream / n times the sign of what it moves; undefined where it is not
// wanted. The sign of 0 is 0.
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
//   discriminator  float [>= 3]: sums of L(x) and of L(G(z_D)), and of how many samples
//   generator      float [>= 2]: the sum of L(G(z_G)) and of how many samples; undefined where the
//                  generator is trained on the discriminator's images
//   k              double [], updated in place: clamped to [0, 1], and left as it is where the new
//                  one is not a number
// Returns double [5]: the means L(x), L(G(z_D)), L(G(z_G)), L(x) - k L(G(z_D)) with k as it was,
// and the convergence measure M.
[[nodiscard]] at::Tensor began_controller(const at::Tensor& discriminator,
                                          const at::Tensor& generator, const at::Tensor& k,
                                          double gamma, double lambda);

}  // namespace valley::kernels
