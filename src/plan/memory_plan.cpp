#include "plan/memory_plan.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "experiment/optimizer_rule.h"
#include "kernels/product_type.h"

namespace valley {
namespace {

constexpr std::int64_t kFloatBytes = 4;  // bytes
// Bytes of a checkpoint's headers, state.json, COMMIT and partial blocks.
constexpr std::int64_t kCheckpointOverhead = 131072;
// fp32 images per image of a microbatch: real, generated, reconstruction, difference, and the
// gradients of the last three.
constexpr std::int64_t kImageCopies = 7;
// The same if Valley's kernels compute all convolutions: no copies in other layouts. Measured
// (memory_plan_test.cpp).
constexpr std::int64_t kOwnImageCopies = 3;
// Estimated overhead of LibTorch's GPU allocator.
constexpr double kAllocatorOverhead = 1.15;

std::int64_t buffer_bytes(const ParameterSet& set) {
  std::int64_t elements = 0;
  for (const Buffer& b : set.buffers()) elements += b.value.numel();
  return elements * kFloatBytes;
}

// Output elements of a layer, and those of them that are saved for the backward pass.
std::int64_t output_elements(const LayerInfo& layer, const ComputeOptions& compute) {
  const bool folds = compute.fused_elu && compute.folded_upsampling;
  return layer.activations - (folds ? layer.folded : 0);
}
std::int64_t saved_elements(const LayerInfo& layer, const ComputeOptions& compute) {
  return output_elements(layer, compute) - layer.passing;
}

// The layers of all networks in forward order: the generator's come first, since the other networks
// read its images.
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

std::int64_t bytes_of(std::int64_t elements, at::ScalarType type, const ModelOptions& m,
                      std::int64_t image_copies = kImageCopies) {
  const auto width = static_cast<std::int64_t>(c10::elementSize(type));
  return width * elements + image_copies * kFloatBytes * m.channels * m.resolution * m.resolution;
}

// Because of heap fragmentation little memory is reused within a pass: the estimate counts all
// output elements of all layers, and their gradients. Measured: bench/RESULTS-parts.md. Where bf16
// values are multiplied as fp32, an fp32 copy is kept as well, unless nearly all of them are inputs
// of Valley's own convolutions.
std::int64_t heap_bytes_per_image(const Model& model, const Experiment& experiment) {
  std::int64_t elements = 0;
  const ComputeOptions compute = experiment.compute();
  for (const LayerInfo& layer : layers_of(model)) elements += 2 * output_elements(layer, compute);
  const at::ScalarType multiplied = kernels::product_type(compute.type, at::kCPU);
  if (!model.reads_bf16(compute) || multiplied == compute.type)
    return bytes_of(elements, multiplied, experiment.model);
  // Share of elements with an fp32 copy: inputs of LibTorch's strided and linear layers. Measured
  // (tests/e2e/test_bench.py).
  constexpr double kShareOfFloats = 0.05;
  const auto floats = static_cast<std::int64_t>(kShareOfFloats * static_cast<double>(elements));
  return bytes_of(elements, compute.type, experiment.model) + kFloatBytes * floats;
}

// Max partial sums of one network's gradients on a rank, see TreeSum; reached on one rank.
std::int64_t max_partial_sums(const TrainOptions& train) {
  if (!train.reproducible) return 0;
  const std::int64_t count = train.global_batch / train.microbatch.value_or(train.global_batch);
  return std::bit_width(static_cast<std::uint64_t>(count));
}

}  // namespace

std::int64_t pass_bytes_per_image(const Model& model, const Experiment& experiment) {
  std::int64_t saved = 0;
  std::int64_t max = 0;
  std::int64_t input = 0;
  for (const LayerInfo& layer : layers_of(model)) {
    const std::int64_t output = output_elements(layer, experiment.compute());
    saved += saved_elements(layer, experiment.compute());
    // In the backward pass of this layer the activations of later layers are freed. Three gradients
    // exist: of the output, of the activation's input, and of the layer's input.
    max = std::max(max, saved + 2 * output + input);
    input = output;
  }
  return bytes_of(max, experiment.compute().type, experiment.model,
                  model.has_own_convs(experiment.compute()) ? kOwnImageCopies : kImageCopies);
}

MemoryPlan plan_memory(const Model& model, const Experiment& experiment, at::DeviceType device) {
  MemoryPlan plan;
  const auto moments =
      static_cast<std::int64_t>(moments_of(optimizer_rule(experiment.optimizer)).size());
  for (const NamedNetwork& n : model.networks()) {
    const std::int64_t bytes = n.network->parameters().count() * kFloatBytes;
    const std::int64_t buffers = buffer_bytes(n.network->parameters());
    plan.parameters += (2 + moments) * bytes + 2 * buffers;  // with values and gradients
    plan.checkpoint += (1 + moments) * bytes + buffers;      // gradients are not saved
    const auto averaged = model.averaged();
    const bool has_average = std::find(averaged.begin(), averaged.end(), n.name) != averaged.end();
    if (has_average && experiment.train.ema_half_life > 0) {
      plan.parameters += bytes + buffers;
      plan.checkpoint += bytes + buffers;
    }
    plan.parameters += max_partial_sums(experiment.train) * (bytes + buffers);
    // The normalized weights that MCMC chains read.
    if (experiment.model.spectral_norm) plan.parameters += bytes;
    // The bf16 copy of the weights; without performance.bf16_shadow the passes make and keep it.
    if (experiment.compute().type == at::kBFloat16) plan.parameters += bytes / 2;
  }
  const StateBytes state = experiment.objective.method().state_bytes(
      experiment.objective, experiment.model, experiment.train.global_batch);
  plan.replay = state.replay;
  plan.parameters += state.chains;
  plan.checkpoint += state.chains + plan.replay + kCheckpointOverhead;
  plan.per_image =
      device == at::kCPU
          ? heap_bytes_per_image(model, experiment)
          : static_cast<std::int64_t>(kAllocatorOverhead *
                                      static_cast<double>(pass_bytes_per_image(model, experiment)));
  // A recorded graph keeps the memory of its passes. Reported steps run without the graph and need
  // the same memory again; so do the EBM's updates, whose graph contains only a step of the chains.
  if (device != at::kCPU && experiment.records_graphs(device)) plan.per_image *= 2;
  return plan;
}

std::int64_t peak_bytes(const MemoryPlan& memory, const MicrobatchPlan& plan) {
  return memory.parameters + memory.replay / plan.ranks + memory.per_image * plan.size;
}

}  // namespace valley
