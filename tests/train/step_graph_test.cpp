// Compares recorded and replayed steps with steps queued one by one, using a graph on the host.
#include "train/step_graph.h"

#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "comm/self_communicator.h"
#include "core/error.h"
#include "kernels/device.h"
#include "methods/ebm/options.h"
#include "samplers/recorded_langevin.h"
#include "support/host_graph.h"
#include "support/small_dbn.h"
#include "support/small_ebm.h"
#include "support/small_gans.h"
#include "support/small_training.h"

namespace valley {
namespace {

using testing::kImages;
using testing::NamedTraining;
using testing::run_steps;

// Names of operations with their scalar arguments.
std::vector<std::string>* noted = nullptr;

std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& function) {
  std::ostringstream text;
  text << function.name();
  for (const c10::IValue& input : function.inputs()) {
    if (input.isScalar() || input.isIntList() || input.isDoubleList()) text << ' ' << input;
  }
  noted->push_back(text.str());
  return nullptr;
}

// The operations that `work` runs on this thread, including backward passes.
std::vector<std::string> operations_of(const std::function<void()>& work) {
  std::vector<std::string> all;
  noted = &all;
  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(note).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  work();
  at::removeCallback(handle);
  return all;
}

bool waits_for_device(const std::vector<std::string>& operations) {
  return std::ranges::any_of(operations, [](const std::string& o) {
    return o.starts_with("aten::_local_scalar_dense") || o.starts_with("aten::item") ||
           o.starts_with("aten::nonzero") || o.starts_with("aten::equal") ||
           o.starts_with("aten::is_nonzero");
  });
}

struct Counts {
  int of_steps = 0;  // runs and replays after the last step; later sampling adds runs
  int runs = 0, records = 0, replays = 0;
  std::vector<std::string> recorded;            // operations of the first replay
  std::vector<std::vector<std::string>> again;  // operations of the other replays
};

class CountingGraph final : public testing::HostGraph {
 public:
  explicit CountingGraph(Counts& counts) : counts_(counts) {}
  void run(const std::function<void()>& work) override {
    ++counts_.runs;
    HostGraph::run(work);
  }
  void record(const std::function<void()>& work) override {
    ++counts_.records;
    HostGraph::record(work);
    is_new_ = true;
  }
  void replay(std::int64_t times) override {
    for (std::int64_t i = 0; i < times; ++i) {
      ++counts_.replays;
      std::vector<std::string> operations = operations_of([this] { HostGraph::replay(1); });
      if (is_new_) {
        counts_.recorded = std::move(operations);
      } else {
        counts_.again.push_back(std::move(operations));
      }
      is_new_ = false;
    }
  }

 private:
  Counts& counts_;
  bool is_new_ = false;
};

struct GraphOutcome {
  std::string digest;
  TensorMap tensors;
  std::vector<Trainer::Value> report;
};

// 20 steps, five of them reported, while the learning rate and k or the margin change.
GraphOutcome train_recorded(const Experiment& given, Counts* counts) {
  set_arithmetic({Precision::kFp32, true, 1});
  static Experiment e;
  e = given;
  e.train.report_every = 5;
  e.optimizer.lr_schedule = LrSchedule::kCosine;
  e.optimizer.warmup_steps = 5;
  e.optimizer.decay_steps = 30;
  e.optimizer.clip_norm = 0.5;
  e.optimizer.weight_decay = 0.1;
  const auto alone = make_self_communicator(at::kCPU);
  Trainer trainer(e, plan_microbatches(8, testing::kPass, 1, false), *alone, kImages);
  if (counts != nullptr) trainer.record_steps_with(std::make_unique<CountingGraph>(*counts));
  run_steps(trainer, 0, 19);
  run_steps(trainer, 0, 1);
  if (counts != nullptr) counts->of_steps = counts->runs + counts->replays;
  return {trainer.digest(), trainer.snapshot(e.schema(), "").model.tensors, trainer.report()};
}

std::vector<NamedTraining> recordable() {
  std::vector<NamedTraining> all = testing::small_gans();
  all.push_back({"alternating_began", testing::small_experiment()});
  all.push_back({"batch_norm", testing::experiment_with(testing::BufferKind::kBatchNorm)});
  all.push_back({"carry", testing::experiment_with(testing::BufferKind::kCarry)});
  return all;
}

class StepGraphTest : public ::testing::TestWithParam<NamedTraining> {};

TEST_P(StepGraphTest, ReplayIsBitwiseEqualToQueuedSteps) {
  Counts counts;
  const GraphOutcome expected = train_recorded(GetParam().experiment, nullptr);
  const GraphOutcome replayed = train_recorded(GetParam().experiment, &counts);
  EXPECT_EQ(replayed.digest, expected.digest);
  for (const auto& [name, tensor] : replayed.tensors)
    EXPECT_TRUE(at::equal(tensor, expected.tensors.at(name))) << name;
  ASSERT_EQ(replayed.report.size(), expected.report.size());
  for (std::size_t i = 0; i < replayed.report.size(); ++i)
    EXPECT_EQ(replayed.report[i].value, expected.report[i].value) << expected.report[i].name;
  EXPECT_GT(counts.replays, 5);
  EXPECT_EQ(counts.of_steps, 20);
}

// Every replayed step runs the same operations with the same scalars, without device
// synchronization.
TEST_P(StepGraphTest, RepeatsSameHostOperations) {
  Counts counts;
  train_recorded(GetParam().experiment, &counts);
  EXPECT_GT(counts.recorded.size(), 100U);
  EXPECT_FALSE(waits_for_device(counts.recorded));
  for (const auto& operations : counts.again) EXPECT_EQ(operations, counts.recorded);
}

INSTANTIATE_TEST_SUITE_P(Gans, StepGraphTest, ::testing::ValuesIn(recordable()), testing::name_of);

// The graph contains a step of the chains; the host queues the rest of a training step.
TEST(StepGraph, EbmRecordsChainStep) {
  const Experiment e = testing::small_regularized_ebm();
  Counts counts;
  const GraphOutcome expected = train_recorded(e, nullptr);
  const GraphOutcome replayed = train_recorded(e, &counts);
  EXPECT_EQ(replayed.digest, expected.digest);
  ASSERT_EQ(replayed.report.size(), expected.report.size());
  for (std::size_t i = 0; i < replayed.report.size(); ++i)
    EXPECT_EQ(replayed.report[i].value, expected.report[i].value) << expected.report[i].name;
  EXPECT_EQ(counts.records, 1);
  EXPECT_EQ(counts.runs, RecordedLangevin::kWarmUps);
  const std::int64_t chains = 20 * e.train.global_batch / testing::kPass;
  EXPECT_EQ(counts.runs + counts.replays, chains * e.objective.as<EbmOptions>().langevin_steps);
  EXPECT_GT(counts.recorded.size(), 50U);
  EXPECT_FALSE(waits_for_device(counts.recorded));
  for (const auto& operations : counts.again) EXPECT_EQ(operations, counts.recorded);
}

TEST(StepGraph, OperationRecorderSeesScalarArguments) {
  const at::Tensor one = at::ones({});
  const auto add = [&](double value) { return operations_of([&] { one.add(value); }); };
  EXPECT_EQ(add(2), add(2));
  EXPECT_NE(add(2), add(3));
  EXPECT_FALSE(waits_for_device(add(2)));
  EXPECT_TRUE(waits_for_device(operations_of([&] { one.item(); })));
}

TEST(StepGraph, NewStageIsWarmedUpAndRecorded) {
  Counts counts;
  StepGraph graph(std::make_unique<CountingGraph>(counts));
  const std::vector<Stage> stages(2);
  const BatchShare share{at::ones({2}), {}};
  const auto double_sum = [](const BatchShare& s) {
    return StepSums{{{"phase", s.pixels.sum() * 2}}, at::zeros({})};
  };
  for (const Stage& stage : stages) {
    for (int i = 0; i < StepGraph::kWarmUps + 2; ++i) {
      const BatchShare next{share.pixels * (i + 1), {}};
      const StepSums out = graph.run(&stage, next, double_sum);
      EXPECT_EQ(out.sums.at("phase").item<double>(), 4 * (i + 1));
    }
  }
  EXPECT_EQ(counts.runs, 2 * StepGraph::kWarmUps);
  EXPECT_EQ(counts.records, 2);
  EXPECT_EQ(counts.replays, 4);
}

TEST(StepGraph, UnsupportedCudaGraphIsRejected) {
  const auto alone = make_self_communicator(at::kCPU);
  const auto rejection = [&](Experiment e) -> std::string {
    e.performance.cuda_graph = Switch::kOn;
    try {
      const Trainer trainer(e, plan_microbatches(8, testing::kPass, 1, false), *alone, kImages);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kConfig);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(rejection(testing::small_experiment()).find("performance.cuda_graph"),
            std::string::npos);
  EXPECT_NE(rejection(testing::small_ebm()).find("performance.cuda_graph"), std::string::npos);
  const std::string dbn = rejection(testing::small_dbn(true));
  EXPECT_NE(dbn.find("objective.name = \"dbn\""), std::string::npos) << dbn;
}

}  // namespace
}  // namespace valley
