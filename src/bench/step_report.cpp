// Reports of step measurements as JSON and as text.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/statistics.h"
#include "bench/step_bench.h"
#include "core/json_text.h"
#include "core/text.h"
#include "plan/plan_report.h"

namespace valley {
namespace {

double trained_per_second(const StepBench& b) {
  return static_cast<double>(b.plan.global_batch) / quartiles(b.seconds).median;
}

std::string peak_text(const std::vector<std::int64_t>& bytes) {
  return format_bytes(*std::ranges::max_element(bytes));
}

std::string share_text(double seconds, double step) {
  return fmt::format("{:.2f} ms, {:.1f} % of a step", 1e3 * seconds, 100 * seconds / step);
}

}  // namespace

std::string to_json(const StepBench& b) {
  const Quartiles q = quartiles(b.seconds);
  nlohmann::json j = {{"ranks", b.plan.ranks},
                      {"threads", b.threads},
                      {"device", b.device},
                      {"communicator", b.communicator},
                      {"precision", b.precision},
                      {"global_batch", b.plan.global_batch},
                      {"microbatch", b.plan.size},
                      {"seconds", b.seconds},
                      {"median", q.median},
                      {"quartiles", {q.low, q.high}},
                      {"images_per_second", trained_per_second(b)},
                      {"waiting_for_data", b.waiting},
                      {"peak_resident", b.peak_resident},
                      {"peak_device", b.peak_device},
                      {"matrix_flops", b.matrix_flops}};
  j["planned"] = {{"per_image", b.planned.per_image}, {"peak", peak_bytes(b.planned, b.plan)}};
  if (b.reducing) j["reducing"] = *b.reducing;
  if (!b.exposed.empty()) {
    const Quartiles e = quartiles(b.exposed);
    j["exposed"] = e.median;
    j["exposed_quartiles"] = {e.low, e.high};
  }
  if (b.cost) {
    j["flops"] = b.cost->flops;
    j["bytes"] = b.cost->bytes;
    j["reduced"] = b.plan.ranks > 1 ? b.cost->gradients : 0;
    j["share_of_matrix_speed"] = b.cost->flops / q.median / b.matrix_flops;
  }
  return write_json(j) + "\n";
}

std::string to_text(const StepBench& b) {
  const Quartiles q = quartiles(b.seconds);
  std::string text = fmt::format(
      "{} on {} ({}), {} each, {}, {} images per step in {} microbatch{} of {} per "
      "rank\n",
      plural(b.plan.ranks, "rank"), b.device, b.communicator, plural(b.threads, "thread"),
      b.precision, b.plan.global_batch, b.plan.per_rank, b.plan.per_rank == 1 ? "" : "es",
      b.plan.size);
  text += fmt::format("step           {:.2f} ms (quartiles {:.2f} and {:.2f}, {} steps)\n",
                      1e3 * q.median, 1e3 * q.low, 1e3 * q.high, b.seconds.size());
  text += fmt::format("images         {:.1f} per second\n", trained_per_second(b));
  if (b.reducing) text += fmt::format("in reductions  {}\n", share_text(*b.reducing, q.median));
  if (!b.exposed.empty()) {
    const Quartiles e = quartiles(b.exposed);
    text += fmt::format(
        "exposed        {} (quartiles {:.2f} and {:.2f}; compared with alternating steps without "
        "reductions)\n",
        share_text(e.median, q.median), 1e3 * e.low, 1e3 * e.high);
  }
  if (b.waiting > 0) text += fmt::format("for data       {}\n", share_text(b.waiting, q.median));
  text += fmt::format("peak memory    {} of a rank", peak_text(b.peak_resident));
  if (!b.peak_device.empty()) text += fmt::format(", {} of its GPU", peak_text(b.peak_device));
  text += fmt::format(" (estimated, without the program: {})\n",
                      format_bytes(peak_bytes(b.planned, b.plan)));
  if (b.cost) {
    text += fmt::format(
        "work           {:.2f} GFLOP per step: {:.1f} GFLOP/s, {:.0f} % of the {:.1f} of a matrix "
        "product\n",
        b.cost->flops / 1e9, b.cost->flops / q.median / 1e9,
        100 * b.cost->flops / q.median / b.matrix_flops, b.matrix_flops / 1e9);
  }
  return text;
}

}  // namespace valley
