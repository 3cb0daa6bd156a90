// Langevin chains of a training on a GPU: one step is recorded as a graph, and the host launches
// that in place of the step's kernels.
//
// The graph is recorded once and replayed for all later steps of all later chains. It reads the
// network's weights where they are, and what changes between its replays (the chains, their place
// in training, the noise's first block) from tensors of its own; it advances the block itself.
// Nothing here waits for the device but the recording.
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
  static constexpr std::int64_t kWarmUps = 3;  // steps that run before one is recorded

  // `network` must outlive this, and its parameters must keep their places.
  RecordedLangevin(const EnergyNetwork& network, const LangevinSettings& settings,
                   std::unique_ptr<WorkGraph> graph);
  ~RecordedLangevin();

  // As run_langevin of the network, with the same bits. All calls give starts of one shape, and one
  // seed and stream.
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
  at::Tensor position_;  // int64 []: of the first chain
  at::Tensor block_;     // int64 []: first block of the next step's noise
  std::int64_t warm_ups_ = 0;
  bool is_recorded_ = false;
};

}  // namespace valley
