// Compares the estimated memory of a pass with the tensors that are alive during training steps.
#include "plan/memory_plan.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "comm/self_communicator.h"
#include "kernels/product_type.h"
#include "methods/ebm/options.h"
#include "methods/magan/options.h"
#include "methods/registry.h"
#include "support/small_gans.h"

namespace valley {
namespace {

// LibTorch calls it for every allocation and deallocation on this thread.
class LiveBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*block*/, std::int64_t bytes, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device /*device*/) override {
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  [[nodiscard]] bool memoryProfilingEnabled() const override { return true; }
  [[nodiscard]] std::int64_t peak() const { return peak_; }

 private:
  std::int64_t live_ = 0;
  std::int64_t peak_ = 0;
};

// Peak bytes in the first steps of a training with microbatches of `size` images.
std::int64_t peak_of(Experiment e, std::int64_t size) {
  constexpr std::int64_t kSteps = 4;  // MAGAN trains both networks from step 3 on
  e.train.global_batch = size;
  const auto live = std::make_shared<LiveBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, live);
  const auto self = make_self_communicator(at::kCPU);
  Trainer trainer(e, plan_microbatches(size, size, 1, false), *self,
                  static_cast<std::uint64_t>(size));
  const std::int64_t side = e.model.resolution;
  for (std::int64_t i = 0; i < kSteps; ++i)
    trainer.step(at::randint(0, 256, {size, side, side, 3}, at::kInt).to(at::kByte), false);
  return live->peak();
}

struct Case {
  std::string name;
  std::function<Experiment()> make;
};

Experiment sized(const std::string& objective) {
  Experiment e = testing::small_objective(objective);
  e.model.width = 16;
  e.train.report_every = 100;
  return e;
}

Experiment with(bool PerformanceOptions::*key, bool value) {
  Experiment e = sized("began");
  e.performance.*key = value;
  return e;
}

std::vector<Case> cases() {
  return {{"began", [] { return sized("began"); }},
          {"shared",
           [] {
             Experiment e = sized("began");
             e.train.schedule = UpdateSchedule::kShared;
             return e;
           }},
          {"not_fused", [] { return with(&PerformanceOptions::fused_elu, false); }},
          {"not_folded", [] { return with(&PerformanceOptions::folded_upsampling, false); }},
          {"direct", [] { return with(&PerformanceOptions::winograd, false); }},
          {"not_frozen", [] { return with(&PerformanceOptions::frozen_networks, false); }},
          {"skips",
           [] {
             Experiment e = sized("began");
             e.model.skip_connections = true;
             return e;
           }},
          {"residuals",
           [] {
             Experiment e = sized("began");
             e.model.vanishing_residuals = 100;
             return e;
           }},
          {"ebgan",
           [] {
             Experiment e = sized("ebgan");
             e.model.batch_norm = true;
             return e;
           }},
          {"magan",
           [] {
             Experiment e = sized("magan");
             e.objective.as<MaganOptions>().pretrain_epochs = 1;
             return e;
           }},
          {"ebm", [] {
             Experiment e = sized("ebm");
             e.objective.as<EbmOptions>().langevin_steps = 2;
             e.objective.as<EbmOptions>().replay_size = 0;
             return e;
           }}};
}

TEST(MemoryPlan, PassBytesAreNearMeasuredPeak) {
  constexpr std::int64_t kFew = 8;
  constexpr std::int64_t kMany = 24;
  for (const Case& c : cases()) {
    for (const auto precision : {TrainingPrecision::kFp32, TrainingPrecision::kBf16}) {
      Experiment e = c.make();
      e.train.precision = precision;
      const double held =
          static_cast<double>(peak_of(e, kMany) - peak_of(e, kFew)) / (kMany - kFew);
      const double planned =
          static_cast<double>(pass_bytes_per_image(*make_meta_model(e.model), e)) / held;
      // Tensors that are multiplied in another type exist twice.
      const bool has_no_copies =
          kernels::product_type(e.compute().type, at::kCPU) == e.compute().type;
      EXPECT_GT(planned, has_no_copies ? 0.95 : 0.5) << c.name << " " << name_of(precision);
      EXPECT_LT(planned, 1.3) << c.name << " " << name_of(precision);
      RecordProperty(c.name + "_" + name_of(precision), std::to_string(planned));
    }
  }
}

TEST(MemoryPlan, CountsPartialSumsInReproducibleMode) {
  Experiment e = testing::small_experiment();
  const auto model = make_meta_model(e.model);
  std::int64_t bytes = 0;
  for (const NamedNetwork& n : model->networks()) bytes += 4 * n.network->parameters().count();
  const std::int64_t plain = plan_memory(*model, e).parameters;
  e.train.reproducible = true;
  e.train.microbatch = 1;  // 8 microbatches: partial sums of 1, 2, 4 and 8
  EXPECT_EQ(plan_memory(*model, e).parameters - plain, 4 * bytes);
}

TEST(MemoryPlan, CountsNormalizedWeightsOfEbmChains) {
  Experiment e = sized("ebm");
  e.model.spectral_norm = false;
  const auto model = make_meta_model(e.model);
  const std::int64_t plain = plan_memory(*model, e).parameters;
  const std::int64_t bytes = 4 * model->networks().front().network->parameters().count();
  e.model.spectral_norm = true;
  EXPECT_GE(plan_memory(*make_meta_model(e.model), e).parameters - plain, bytes);
}

TEST(MemoryPlan, CountsActivationsOfRecordedGraph) {
  for (const char* objective : {"began", "ebm"}) {
    Experiment e = sized(objective);
    const auto model = make_meta_model(e.model);
    const std::int64_t plain = plan_memory(*model, e, at::kCUDA).per_image;
    e.performance.cuda_graph = Switch::kOn;
    EXPECT_EQ(plan_memory(*model, e, at::kCUDA).per_image, 2 * plain) << objective;
  }
}

TEST(MemoryPlan, CountsBf16CopyOfWeights) {
  Experiment e = testing::small_experiment();
  const auto model = make_meta_model(e.model);
  std::int64_t count = 0;
  for (const NamedNetwork& n : model->networks()) count += n.network->parameters().count();
  const std::int64_t plain = plan_memory(*model, e).parameters;
  e.train.precision = TrainingPrecision::kBf16;
  EXPECT_EQ(plan_memory(*model, e).parameters - plain, 2 * count);
}

}  // namespace
}  // namespace valley
