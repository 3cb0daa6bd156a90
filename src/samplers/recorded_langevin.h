// Langevin chains for training on a GPU: one step is recorded as a graph, which the host launches
// instead of the step's kernels.
//
// The graph is recorded once and replayed for all later steps of all later chains. It reads the
// network's weights in place, and all that changes between replays (chains, position in training,
// first Philox block of the noise) from its own tensors; it advances the block itself. Only the
// recording synchronizes with the host.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "kernels/work_graph.h"
#include "samplers/langevin.h"

namespace valley {

class LangevinStep;

class RecordedLangevin {
 public:
  static constexpr std::int64_t kWarmUps = 3;  // steps before the recording

  // `network` must outlive this, and the addresses of its parameters must not change.
  RecordedLangevin(const EnergyNetwork& network, const LangevinSettings& settings,
                   std::unique_ptr<WorkGraph> graph);
  ~RecordedLangevin();

  // Bitwise equal to run_langevin of the network. All calls must have the same shape of `start`,
  // the same seed and the same stream.
  [[nodiscard]] Chains run(const at::Tensor& start, const ChainPlace& place);

 private:
  void prepare(const at::Tensor& start, const ChainPlace& place);
  void take_step();

  const EnergyNetwork& network_;
  LangevinSettings settings_;
  std::unique_ptr<WorkGraph> graph_;
  std::unique_ptr<LangevinStep> step_;  // null before the first call
  std::uint64_t seed_ = 0;
  RandomStream stream_ = RandomStream::kLangevin;
  at::Tensor position_;  // int64 []: position of the first chain
  at::Tensor block_;     // int64 []: first Philox block of the next step
  std::int64_t warm_ups_ = 0;
  bool is_recorded_ = false;
};

}  // namespace valley
