#include "methods/ebm/supervised.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/square.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

#include "core/error.h"
#include "nn/network.h"

namespace valley {
namespace {

at::Tensor loss_of(const std::string& name, const at::Tensor& energies, const at::Tensor& labels,
                   double margin) {
  const at::Tensor right = energies.gather(1, labels.unsqueeze(1)).squeeze(1);
  if (name == "energy") return right;
  if (name == "perceptron") return right - at::amin(energies, {1});
  if (name == "nll") return right - marginal_energy(energies);
  const at::Tensor is_right =
      labels.unsqueeze(1).eq(at::arange(energies.size(1), labels.options()));
  const at::Tensor wrong =
      at::amin(energies.masked_fill(is_right, std::numeric_limits<double>::infinity()), {1});
  if (name == "hinge") return at::relu(margin + right - wrong);
  if (name == "log") return at::softplus(right - wrong);
  VALLEY_CHECK(name == "square-square");
  return at::square(right) + at::square(at::relu(margin - wrong));
}

}  // namespace

const std::vector<std::string>& supervised_losses() {
  static const std::vector<std::string> kLosses{"none", "energy", "perceptron",   "hinge",
                                                "log",  "nll",    "square-square"};
  return kLosses;
}

at::Tensor supervised_loss(const std::string& name, const at::Tensor& energies,
                           const at::Tensor& labels, double margin) {
  const at::Tensor loss = loss_of(name, energies, labels.clamp_min(0), margin);
  return at::where(labels >= 0, loss, at::zeros_like(loss));
}

}  // namespace valley
