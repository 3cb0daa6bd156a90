#include "plan/cost_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "plan/plan_report.h"
#include "plan/step_cost.h"

namespace valley {
namespace {

constexpr double kGiga = 1e9;
constexpr std::array<std::int64_t, 3> kCards = {24, 80, 141};  // GB of common GPUs
constexpr int kRanksToAsk = 8;

std::string work_text(const std::vector<StageCost>& costs) {
  std::string text;
  for (const auto& [stage, cost] : costs) {
    text += fmt::format(
        "work a step{}: {:.4g} GFLOP, {:.4g} GB of activations and parameters read and written, "
        "{:.3g} FLOP a byte\n",
        costs.size() == 1 ? "" : " of " + stage, cost.flops / kGiga, cost.bytes / kGiga,
        cost.flops / cost.bytes);
  }
  return text;
}

// Of the stage that reduces most.
std::string reduction_text(const std::vector<StageCost>& costs, int ranks,
                           const ReductionQuestion& question) {
  double most = 0;
  for (const StageCost& c : costs) most = std::max(most, c.cost.gradients);
  const auto bytes = static_cast<std::int64_t>(most);
  const int asked = question.ranks > 0 ? question.ranks : ranks > 1 ? ranks : kRanksToAsk;
  return fmt::format("reduced a step: {}\n", bytes_text(ranks > 1 ? bytes : 0)) +
         fmt::format(
             "all-reduce on {} ranks: {} each a step, {:.3g} ms at {:.4g} GB/s of bus bandwidth, "
             "latencies aside\n",
             asked, bytes_text(bytes),
             1e3 * all_reduce_seconds(most, asked, question.bus_bandwidth),
             question.bus_bandwidth / kGiga);
}

// Images whose activations fit beside the parameters in the part of a card that a plan uses.
std::int64_t images_on(const MemoryPlan& memory, std::int64_t gigabytes) {
  const auto usable =
      static_cast<std::int64_t>(kMemoryShare * static_cast<double>(gigabytes) * kGiga);
  return std::max<std::int64_t>(0, (usable - memory.parameters) / memory.per_image);
}

// Of GPUs, in each precision that the networks can be trained in.
std::string card_text(const Model& model, Experiment experiment, const MicrobatchPlan& plan) {
  std::string text;
  for (const auto precision : {TrainingPrecision::kFp32, TrainingPrecision::kBf16}) {
    if (experiment.needs_fp32() && precision == TrainingPrecision::kBf16) continue;
    experiment.train.precision = precision;
    const MemoryPlan memory = plan_memory(model, experiment, at::kCUDA);
    text += fmt::format("on a GPU in {}: about {}; largest microbatch", name_of(precision),
                        bytes_text(peak_bytes(memory, plan)));
    for (const std::int64_t card : kCards) {
      text += fmt::format("{} {} on {} GB", card == kCards.front() ? "" : ",",
                          images_on(memory, card), card);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::string describe_cost(const Model& model, const Experiment& experiment, const RunPlan& run,
                          const ReductionQuestion& question) {
  const int ranks = run.shares.ranks;
  const std::vector<StageCost> costs = stage_costs(model, experiment, ranks);
  std::string text = work_text(costs);
  if (!costs.empty()) text += reduction_text(costs, ranks, question);
  text +=
      fmt::format("peak memory a rank: about {}\n", bytes_text(peak_bytes(run.memory, run.shares)));
  text += card_text(model, experiment, run.shares);
  return as_comments(text);
}

}  // namespace valley
