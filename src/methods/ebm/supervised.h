// Losses that shape the energies E(x, y) of images and classes: LeCun, Chopra, Hadsell, Ranzato &
// Huang, A Tutorial on Energy-Based Learning, 2006, section 2.2. With the label y, E = E(x, y), and
// E' = min over y' != y of E(x, y'), the energy of the most offending incorrect answer:
//   energy         E
//   perceptron     E - min over all y' of E(x, y')
//   hinge          max(0, margin + E - E')
//   log            log(1 + exp(E - E'))
//   square-square  E^2 + max(0, margin - E')^2
//   nll            E + log sum over all y' of exp(-E(x, y')), which is -log P(y|x)
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace valley {

// The names above, and "none".
[[nodiscard]] const std::vector<std::string>& supervised_losses();

// energies: float [B, K]; labels: int64 [B] in [0, K), or -1 for images without a label, whose loss
// is 0. `margin` is in the unit of energies. Returns float [B].
[[nodiscard]] at::Tensor supervised_loss(const std::string& name, const at::Tensor& energies,
                                         const at::Tensor& labels, double margin);

}  // namespace valley
