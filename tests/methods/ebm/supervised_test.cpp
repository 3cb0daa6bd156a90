#include "methods/ebm/supervised.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "nn/network.h"

namespace valley {
namespace {

at::Tensor loss_of(const std::string& name, const at::Tensor& energies, std::int64_t label,
                   double margin = 1) {
  return supervised_loss(name, energies.unsqueeze(0),
                         at::full({1}, label, at::TensorOptions().dtype(at::kLong)), margin);
}

TEST(SupervisedLoss, ValuesAreThoseOfTheDefinitions) {
  const at::Tensor e = at::tensor({0.5F, 2.0F, 0.2F});  // of the label 0; the lowest is that of 2
  const double sum = std::exp(-0.5) + std::exp(-2.0) + std::exp(-0.2);
  const std::map<std::string, double> expected{
      {"energy", 0.5},
      {"perceptron", 0.5 - 0.2},
      {"hinge", 1.5 + 0.5 - 0.2},
      {"log", std::log1p(std::exp(0.5 - 0.2))},
      {"nll", 0.5 + std::log(sum)},
      {"square-square", 0.5 * 0.5 + (1.5 - 0.2) * (1.5 - 0.2)}};
  for (const std::string& name : supervised_losses()) {
    if (name == "none") continue;
    EXPECT_NEAR(loss_of(name, e, 0, 1.5).item<double>(), expected.at(name), 1e-6) << name;
  }
  // -log P(y|x) of the softmax of -E.
  EXPECT_NEAR(loss_of("nll", e, 2).item<double>(), -std::log(std::exp(-0.2) / sum), 1e-6);
}

TEST(SupervisedLoss, LossesWithoutOffendersAreZero) {
  const at::Tensor apart = at::tensor({-3.0F, 5.0F, 4.0F});
  EXPECT_EQ(loss_of("perceptron", apart, 0).item<double>(), 0);
  EXPECT_EQ(loss_of("hinge", apart, 0, 6.9).item<double>(), 0);
  EXPECT_GT(loss_of("hinge", apart, 0, 7.1).item<double>(), 0);
}

TEST(SupervisedLoss, ImagesWithoutALabelHaveNoLossAndNoGradient) {
  for (const std::string& name : supervised_losses()) {
    if (name == "none") continue;
    at::Tensor e = at::randn({4, 3});
    e.set_requires_grad(true);
    const at::Tensor labels = at::tensor({1, -1, 0, -1}, at::TensorOptions().dtype(at::kLong));
    const at::Tensor loss = supervised_loss(name, e, labels, 1);
    EXPECT_EQ(loss[1].item<double>(), 0) << name;
    loss.sum().backward();
    EXPECT_EQ(e.grad()[1].abs().max().item<double>(), 0) << name;
    EXPECT_TRUE(at::isfinite(e.grad()).all().item<bool>()) << name;
  }
}

// The tutorial's table of losses: which ones leave a collapsed energy, equal for all answers?
TEST(SupervisedLoss, OnlyLossesWithAMarginOrContrastLeaveACollapsedEnergy) {
  for (const std::string& name : supervised_losses()) {
    if (name == "none") continue;
    at::Tensor e = at::zeros({3});
    e.set_requires_grad(true);
    loss_of(name, e, 1).sum().backward();
    // A step along the negative gradient raises the energies of wrong answers above that of the
    // right one.
    const at::Tensor moved = e.detach() - 0.1 * e.grad();
    const double gap =
        std::min(moved[0].item<double>(), moved[2].item<double>()) - moved[1].item<double>();
    const bool raises_wrong_ones = moved[0].item<double>() > 0 && moved[2].item<double>() > 0;
    if (name == "energy") {
      EXPECT_FALSE(raises_wrong_ones);  // pulls the right answer alone: shared weights collapse
    } else if (name == "perceptron") {
      EXPECT_EQ(loss_of(name, e.detach(), 1).item<double>(), 0);  // collapse is a minimum
    } else {
      EXPECT_TRUE(raises_wrong_ones) << name;
      EXPECT_GT(gap, 0) << name;
    }
  }
}

TEST(MarginalEnergy, IsMinusTheLogOfTheSum) {
  const at::Tensor e = at::tensor({1.0F, 2.0F, 900.0F}).unsqueeze(0);
  EXPECT_NEAR(marginal_energy(e)[0].item<double>(), -std::log(std::exp(-1.0) + std::exp(-2.0)),
              1e-6);
}

}  // namespace
}  // namespace valley
