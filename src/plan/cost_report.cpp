#include "plan/cost_report.h"

#include <fmt/format.h>

#include "core/text.h"
#include "plan/plan_report.h"

namespace valley {
namespace {

constexpr double kGiga = 1e9;

std::string work_text(const std::vector<StageCost>& costs) {
  std::string text;
  for (const auto& [stage, cost] : costs) {
    text += fmt::format(
        "work per step{}: {:.4g} GFLOP, {:.4g} GB of activations and parameters read and written, "
        "{:.3g} FLOP/byte\n",
        costs.size() == 1 ? "" : " of " + stage, cost.flops / kGiga, cost.bytes / kGiga,
        cost.flops / cost.bytes);
  }
  return text;
}

std::string reduction_text(std::int64_t reduced_bytes, const ReductionEstimate& reduction) {
  constexpr double kMillisecondsPerSecond = 1e3;
  return fmt::format("reduced per step: {}\n", format_bytes(reduced_bytes)) +
         fmt::format(
             "all-reduce on {} ranks: {} per rank and step, {:.3g} ms at a bus bandwidth of {:.4g} "
             "GB/s, without latency\n",
             reduction.ranks, format_bytes(static_cast<std::int64_t>(reduction.bytes)),
             kMillisecondsPerSecond * reduction.seconds, reduction.bus_bandwidth / kGiga);
}

std::string gpu_text(const GpuEstimate& gpu) {
  std::string text = fmt::format("on a GPU in {}: about {}; largest microbatch", gpu.precision,
                                 format_bytes(gpu.peak_bytes));
  const char* separator = "";
  for (const auto& [gigabytes, images] : gpu.largest_microbatches) {
    text += fmt::format("{} {} on {} GB", separator, images, gigabytes);
    separator = ",";
  }
  return text + "\n";
}

}  // namespace

std::string describe_cost(const CostEstimate& estimate) {
  std::string text = work_text(estimate.stages);
  if (estimate.reduction) text += reduction_text(estimate.reduced_bytes, *estimate.reduction);
  text += fmt::format("peak memory per rank: about {}\n", format_bytes(estimate.peak_bytes));
  for (const GpuEstimate& gpu : estimate.gpus) text += gpu_text(gpu);
  return as_comments(text);
}

}  // namespace valley
