#include "plan/memory_plan.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "experiment/optimizer_rule.h"
#include "kernels/product_type.h"

namespace valley {
namespace {

constexpr std::int64_t kFloatBytes = 4;         // bytes
constexpr std::int64_t kSavedBesides = 131072;  // headers, state.json, COMMIT, partial blocks
// Images in float: the real ones, the generated ones, their reconstruction, the difference, and
// the gradients of the last three.
constexpr std::int64_t kImageCopies = 7;
// The same if Valley's kernels compute all convolutions: no copies in other layouts. Measured
// (memory_plan_test.cpp).
constexpr std::int64_t kOwnImageCopies = 3;
// What LibTorch's allocator on GPUs takes beyond its tensors: an estimate.
constexpr double kDeviceWaste = 1.15;

std::int64_t buffer_bytes(const ParameterSet& set) {
  std::int64_t numbers = 0;
  for (const Buffer& b : set.buffers()) numbers += b.value.numel();
  return numbers * kFloatBytes;
}

// Numbers that a layer makes, and those of them that the backward pass reads.
std::int64_t made_by(const LayerInfo& layer, const ComputeOptions& compute) {
  const bool folds = compute.fused_elu && compute.folded_upsampling;
  return layer.activations - (folds ? layer.folded : 0);
}
std::int64_t kept_of(const LayerInfo& layer, const ComputeOptions& compute) {
  return made_by(layer, compute) - layer.passing;
}

// The layers of all networks, one behind the other: a generator's images go through what judges
// them.
std::vector<LayerInfo> layers_of(const Model& model) {
  std::vector<NamedNetwork> networks = model.networks();
  std::ranges::stable_partition(networks,
                                [](const NamedNetwork& n) { return n.name == "generator"; });
  std::vector<LayerInfo> all;
  for (const NamedNetwork& n : networks) {
    for (LayerInfo& layer : n.network->layers()) all.push_back(std::move(layer));
  }
  return all;
}

std::int64_t bytes_of(std::int64_t numbers, at::ScalarType type, const ModelOptions& m,
                      std::int64_t image_copies = kImageCopies) {
  const auto width = static_cast<std::int64_t>(c10::elementSize(type));
  return width * numbers + image_copies * kFloatBytes * m.channels * m.resolution * m.resolution;
}

// The C library's heap is fragmented, so that little of a pass is returned to it: each element that
// a layer makes, and its gradient. Measured: docs/training.md. Where bf16 values are multiplied as
// fp32, an fp32 copy is kept as well, unless nearly all are inputs of Valley's own convolutions.
std::int64_t heap_bytes_per_image(const Model& model, const Experiment& experiment) {
  std::int64_t elements = 0;
  const ComputeOptions compute = experiment.compute();
  for (const LayerInfo& layer : layers_of(model)) elements += 2 * made_by(layer, compute);
  const at::ScalarType multiplied = kernels::product_type(compute.type, at::kCPU);
  if (!model.reads_bf16(compute) || multiplied == compute.type)
    return bytes_of(elements, multiplied, experiment.model);
  // fp32 copies of the inputs of LibTorch's layers, which are the strided and the linear ones:
  // measured (tests/e2e/test_bench.py).
  constexpr double kShareOfFloats = 0.05;
  const auto floats = static_cast<std::int64_t>(kShareOfFloats * static_cast<double>(elements));
  return bytes_of(elements, compute.type, experiment.model) + kFloatBytes * floats;
}

// Sums that a rank which has all microbatches keeps of one network's gradients, see TreeSum.
std::int64_t sums_kept(const TrainOptions& train) {
  if (!train.reproducible) return 0;
  const std::int64_t count = train.global_batch / train.microbatch.value_or(train.global_batch);
  return std::bit_width(static_cast<std::uint64_t>(count));
}

}  // namespace

std::int64_t pass_bytes_an_image(const Model& model, const Experiment& experiment) {
  std::int64_t kept = 0;
  std::int64_t most = 0;
  std::int64_t before = 0;
  for (const LayerInfo& layer : layers_of(model)) {
    const std::int64_t made = made_by(layer, experiment.compute());
    kept += kept_of(layer, experiment.compute());
    // On the way back those behind it are gone; there are the gradient that comes, that of what
    // the activation read, and the one that goes on.
    most = std::max(most, kept + 2 * made + before);
    before = made;
  }
  return bytes_of(most, experiment.compute().type, experiment.model,
                  model.has_own_convs(experiment.compute()) ? kOwnImageCopies : kImageCopies);
}

MemoryPlan plan_memory(const Model& model, const Experiment& experiment, at::DeviceType device) {
  MemoryPlan plan;
  const auto moments =
      static_cast<std::int64_t>(moments_of(optimizer_rule(experiment.optimizer)).size());
  for (const NamedNetwork& n : model.networks()) {
    const std::int64_t bytes = n.network->parameters().count() * kFloatBytes;
    const std::int64_t besides = buffer_bytes(n.network->parameters());
    plan.parameters += (2 + moments) * bytes + 2 * besides;  // with values and gradients
    plan.checkpoint += (1 + moments) * bytes + besides;      // gradients are not saved
    const auto averaged = model.averaged();
    const bool has_average = std::find(averaged.begin(), averaged.end(), n.name) != averaged.end();
    if (has_average && experiment.train.ema_half_life > 0) {
      plan.parameters += bytes + besides;
      plan.checkpoint += bytes + besides;
    }
    plan.parameters += sums_kept(experiment.train) * (bytes + besides);
    // The weights that chains read.
    if (experiment.model.spectral_norm) plan.parameters += bytes;
    // The shadow; without it, what the passes convert and keep.
    if (experiment.compute().type == at::kBFloat16) plan.parameters += bytes / 2;
  }
  const StateBytes state =
      state_bytes(experiment.objective, experiment.model, experiment.train.global_batch);
  plan.replay = state.replay;
  plan.parameters += state.chains;
  plan.checkpoint += state.chains + plan.replay + kSavedBesides;
  plan.per_image =
      device == at::kCPU
          ? heap_bytes_per_image(model, experiment)
          : static_cast<std::int64_t>(kDeviceWaste *
                                      static_cast<double>(pass_bytes_an_image(model, experiment)));
  // A recorded graph keeps the memory of its passes. Beside it run the steps that report; of the
  // EBM, whose graph is a step of its chains, the passes of the update.
  if (device != at::kCPU && experiment.records_graphs(device)) plan.per_image *= 2;
  return plan;
}

std::int64_t peak_bytes(const MemoryPlan& memory, const MicrobatchPlan& plan) {
  return memory.parameters + memory.replay / plan.ranks + memory.per_image * plan.size;
}

}  // namespace valley
