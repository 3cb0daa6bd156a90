// Compares the FLOPs of a step with the matrix products that LibTorch computes in it.
#include "plan/step_cost.h"

#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "comm/self_communicator.h"
#include "methods/dbn/options.h"
#include "methods/registry.h"
#include "support/small_dbn.h"
#include "support/small_gans.h"

namespace valley {
namespace {

using testing::kDbnSteps;
using testing::kDigitPass;
using testing::kDigits;
using testing::run_digits;
using testing::small_dbn;

double multiplied = 0;  // multiply-adds of matrix products of this thread

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
  const std::string name = function.name();
  if (name != "aten::mm" && name != "aten::addmm" && name != "aten::addmm_") return nullptr;
  const auto inputs = function.inputs();
  const at::Tensor& a = inputs[name == "aten::mm" ? 0 : 1].toTensor();
  const at::Tensor& b = inputs[name == "aten::mm" ? 1 : 2].toTensor();
  multiplied += static_cast<double>(a.size(0) * a.size(1) * b.size(1));
  return nullptr;
}

class MultiplyAddCounter {
 public:
  MultiplyAddCounter()
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(count).needsInputs(true))) {}
  ~MultiplyAddCounter() { at::removeCallback(handle_); }
  MultiplyAddCounter(const MultiplyAddCounter&) = delete;
  MultiplyAddCounter& operator=(const MultiplyAddCounter&) = delete;

 private:
  at::CallbackHandle handle_;
};

// Checks every step of a training through all of its stages.
void expect_counted(const Experiment& e) {
  const auto model = make_meta_model(e.model);
  const auto self = make_self_communicator(at::kCPU);
  Trainer trainer(e, plan_microbatches(e.train.global_batch, kDigitPass, 1, true), *self, kDigits);
  std::int64_t left = 0;
  const std::vector<Stage> stages = e.stages(kDigits);
  auto stage = stages.begin();
  for (std::int64_t step = 0; step < kDbnSteps; ++step) {
    while (left == 0) left = stage++->length;
    --left;
    const MultiplyAddCounter counting;
    multiplied = 0;
    run_digits(trainer, 0, 1);
    EXPECT_EQ(step_cost(*model, e, *(stage - 1), 1)->flops, 2 * multiplied)
        << "step " << step << ", " << (stage - 1)->name;
  }
}

TEST(StepCost, CountsMatrixProductsOfContrastiveDivergence) {
  expect_counted(small_dbn(false));
  Experiment e = small_dbn(false);
  e.objective.as<DbnOptions>().gibbs_steps = 1;
  expect_counted(e);
}

TEST(StepCost, CountsMatrixProductsOfPersistentChainsAndLabelUnits) {
  expect_counted(small_dbn(true));
  expect_counted(small_dbn(true, true));
}

TEST(StepCost, HasOneEntryPerDbnStage) {
  const Experiment e = small_dbn(false);
  const auto model = make_meta_model(e.model);
  const std::vector<StageCost> costs = stage_costs(*model, e, 1);
  ASSERT_EQ(costs.size(), 4U);
  EXPECT_EQ(costs[0].stage, "measure");
  EXPECT_EQ(costs[0].cost.flops, 0);
  EXPECT_EQ(costs[1].stage, "layers.0");
  EXPECT_EQ(costs[2].stage, "layers.1");
  EXPECT_EQ(costs[3].stage, "fine-tune");
  // Weights and biases for 256 pixels, layers of 6 and 5 units, and 3 classes.
  const double first = 256 * 6 + 256 + 6;
  const double second = 6 * 5 + 6 + 5;
  EXPECT_EQ(costs[1].cost.gradients, 4 * first);
  EXPECT_EQ(costs[2].cost.gradients, 4 * second);
  EXPECT_EQ(costs[3].cost.gradients, 4 * (first + second + 5 * 3 + 3));
  // 8 images; one upward pass, 2 Gibbs steps, gradients of both ends; SGD with momentum reads 3 and
  // writes 2 values per parameter.
  EXPECT_EQ(costs[1].cost.flops, 2 * 8 * 7 * 256 * 6);
  EXPECT_EQ(costs[1].cost.bytes, 4 * (8 * (2 * (6 + 2 * 262) + 2 * 262) + 5 * first));
}

TEST(StepCost, HasOneEntryPerMaganStage) {
  const Experiment e = testing::small_objective("magan");
  const auto model = make_meta_model(e.model);
  const std::vector<StageCost> costs = stage_costs(*model, e, 1);
  ASSERT_EQ(costs.size(), 3U);
  EXPECT_EQ(costs[0].stage, "pretrain");
  EXPECT_EQ(costs[1].stage, "measure");
  EXPECT_EQ(costs[2].stage, "adversarial");
  EXPECT_EQ(costs[0].cost.flops, 3 * costs[1].cost.flops);
  EXPECT_EQ(costs[1].cost.gradients, 0);
  EXPECT_LT(costs[0].cost.gradients, costs[2].cost.gradients);
}

}  // namespace
}  // namespace valley
