#include "samplers/recorded_langevin.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "methods/ebm/energy_model.h"
#include "methods/registry.h"
#include "nn/model.h"
#include "support/energies.h"
#include "support/host_graph.h"

namespace valley {
namespace {

using testing::QuadraticEnergy;

struct GraphCalls {
  int runs = 0, records = 0;
  std::vector<std::int64_t> replays;
};

class WatchedGraph final : public testing::HostGraph {
 public:
  explicit WatchedGraph(GraphCalls& calls) : calls_(calls) {}
  void run(const std::function<void()>& work) override {
    ++calls_.runs;
    HostGraph::run(work);
  }
  void record(const std::function<void()>& work) override {
    ++calls_.records;
    HostGraph::record(work);
  }
  void replay(std::int64_t times) override {
    calls_.replays.push_back(times);
    HostGraph::replay(times);
  }

 private:
  GraphCalls& calls_;
};

ChainPlace recorded_place(std::int64_t position, std::int64_t offset) {
  return {7, RandomStream::kLangevin, at::full({}, position, at::kLong), offset};
}

at::Tensor chain_starts(std::int64_t n, std::int64_t channels, std::int64_t side) {
  return at::rand({n, channels, side, side}).contiguous(at::MemoryFormat::ChannelsLast);
}

void expect_same_chains(const Chains& got, const Chains& expected) {
  EXPECT_TRUE(at::equal(got.images, expected.images));
  EXPECT_TRUE(at::equal(got.gradient_norms, expected.gradient_norms));
}

TEST(RecordedLangevin, IsBitwiseEqualToRunLangevin) {
  const QuadraticEnergy energy(3, 0.4, 1.5);
  const LangevinSettings plain{5, 0.3, 0.05, 0.2, false};
  for (const LangevinSettings& settings :
       {plain, coupled(plain, 0.5), LangevinSettings{2, 0.3, 0.05, 0, false},
        LangevinSettings{4, 0.3, 0, 0.1, true}}) {
    GraphCalls calls;
    RecordedLangevin recorded(energy, settings, std::make_unique<WatchedGraph>(calls));
    for (const std::int64_t position : {0, 16, 32}) {
      for (const std::int64_t offset : {0, 2}) {
        const at::Tensor start = chain_starts(2, 3, 5);
        const ChainPlace place = recorded_place(position, offset);
        expect_same_chains(recorded.run(start, place),
                           run_langevin(energy, start, settings, place));
      }
    }
    EXPECT_EQ(calls.records, 1);
    EXPECT_EQ(calls.runs, RecordedLangevin::kWarmUps);
    EXPECT_EQ(calls.replays.back(), settings.steps);
  }
}

TEST(RecordedLangevin, ReadsUpdatedWeightsWithoutRecordingAgain) {
  ModelOptions options;
  options.name = "ebm";
  options.resolution = 28;
  options.width = 4;
  options.spectral_norm = true;
  const auto model = make_model(options);
  model->initialize(3);
  const auto& energy = dynamic_cast<const EnergyModel&>(*model).energy();
  energy.end_step(0);
  energy.parameters().require_grad(true);
  const LangevinSettings settings{4, 10, 0.05, 0.01, false};
  GraphCalls calls;
  RecordedLangevin recorded(energy, settings, std::make_unique<WatchedGraph>(calls));
  at::Tensor before;
  for (int update = 0; update < 3; ++update) {
    const at::Tensor start = at::full({2, 3, 28, 28}, 0.5);
    const ChainPlace place = recorded_place(4, 0);
    const Chains expected = run_langevin(energy, start, settings, place);
    const Chains chains = recorded.run(start, place);
    expect_same_chains(chains, expected);
    EXPECT_FALSE(before.defined() && at::equal(before, chains.images));
    before = chains.images;
    const at::NoGradGuard no_grad;
    for (const Parameter& p : energy.parameters().all()) at::Tensor(p.value).mul_(1.5).add_(0.01);
    energy.end_step(update + 1);
  }
  for (const Parameter& p : energy.parameters().all()) {
    EXPECT_TRUE(p.value.requires_grad());
    EXPECT_FALSE(p.value.grad().defined());
  }
  EXPECT_EQ(calls.records, 1);
}

TEST(RecordedLangevin, LaterRunsDoNotChangeEarlierResults) {
  const QuadraticEnergy energy(1, 0.5, 1);
  GraphCalls calls;
  RecordedLangevin recorded(energy, {5, 0.1, 0.05, 0, false},
                            std::make_unique<WatchedGraph>(calls));
  const Chains first = recorded.run(chain_starts(2, 1, 4), recorded_place(0, 0));
  const at::Tensor images = first.images.clone();
  const at::Tensor norms = first.gradient_norms.clone();
  static_cast<void>(recorded.run(chain_starts(2, 1, 4), recorded_place(2, 0)));
  EXPECT_TRUE(at::equal(first.images, images));
  EXPECT_TRUE(at::equal(first.gradient_norms, norms));
}

}  // namespace
}  // namespace valley
