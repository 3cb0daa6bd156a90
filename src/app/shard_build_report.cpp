#include "app/shard_build_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/shard_inspect.h"
#include "core/json_text.h"
#include "core/log.h"
#include "core/text.h"

namespace valley::app {

void BarProgress::show(const BuildProgress& progress) {
  if (!line_.is_due()) return;
  const double rate = static_cast<double>(progress.images) / std::max(progress.seconds, 1e-3);
  line_.show(fmt::format("{} of {} | {} images | {} shards | {} rejects | {:.0f} img/s",
                         progress.candidates_done, progress.candidates, progress.images,
                         progress.shards, progress.rejects, rate));
}

void show_json_line(const BuildProgress& progress) {
  const nlohmann::ordered_json line = {{"candidates_done", progress.candidates_done},
                                       {"candidates", progress.candidates},
                                       {"images", progress.images},
                                       {"shards", progress.shards},
                                       {"rejects", progress.rejects},
                                       {"seconds", progress.seconds}};
  fmt::print(stderr, "{}\n", write_json(line));
}

void print_plan(const BuildPlan& plan, const BuildOptions& options, bool as_json) {
  if (as_json) {
    const nlohmann::ordered_json root = {
        {"dry_run", true},
        {"candidates", plan.candidates},
        {"images_at_most", plan.images},
        {"shards_at_most", plan.shards},
        {"pixel_bytes_at_most", plan.bytes},
        {"directory", options.destination.string()},
        {"parameters", parse_json<nlohmann::ordered_json>(plan.parameters_json, "parameters")}};
    print_json_text(write_json(root, 1));
    return;
  }
  print_to_stdout("would build at most {} images of {}x{}x{} in {} {}: {} of pixels\n", plan.images,
                  options.target.width, options.target.height, options.target.channels, plan.shards,
                  plan.shards == 1 ? "shard" : "shards", human_bytes(plan.bytes));
  print_to_stdout("in          {}\n", options.destination.string());
  print_to_stdout("parameters  {}\n", plan.parameters_json);
}

std::uint64_t count(const std::map<std::string, std::uint64_t>& rejects) {
  std::uint64_t total = 0;
  for (const auto& [reason, images] : rejects) total += images;
  return total;
}

void warn_of_empty_classes(const BuildReport& report) {
  constexpr std::size_t kShown = 5;
  const std::size_t count = report.empty_classes.size();
  if (count == 0) return;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, count); ++i) {
    const auto& [label, name] = report.empty_classes[i];
    text += fmt::format("{}{}", i == 0 ? "" : ", ", label);
    if (!name.empty()) text += fmt::format(" (\"{}\")", name);
  }
  if (count > kShown) text += fmt::format(" and {} more", count - kShown);
  log::warn(
      "all images of {} {} were rejected, so no stored image has {}; the other classes keep their "
      "numbers",
      count == 1 ? "class" : "classes", text, count == 1 ? "this label" : "these labels");
}

void print_report(const BuildReport& report, const BuildOptions& options, bool as_json) {
  const std::string where = options.destination.string();
  const std::uint64_t built = report.images - report.resumed_images;
  const double rate = static_cast<double>(built) / std::max(report.seconds, 1e-9);
  if (as_json) {
    const nlohmann::ordered_json root = {
        {"images", report.images},   {"resumed_images", report.resumed_images},
        {"shards", report.shards},   {"bytes", report.bytes},
        {"seconds", report.seconds}, {"images_per_s", rate},
        {"rejects", report.rejects}, {"fingerprint", report.fingerprint},
        {"directory", where}};
    print_json_text(write_json(root, 1));
    return;
  }
  print_to_stdout("built {} images of {}x{}x{} in {} {}: {} in {:.1f} s ({:.0f} img/s)\n",
                  report.images, options.target.width, options.target.height,
                  options.target.channels, report.shards, report.shards == 1 ? "shard" : "shards",
                  human_bytes(report.bytes), report.seconds, rate);
  if (report.resumed_images > 0)
    print_to_stdout("resumed behind {} images that were there\n", report.resumed_images);
  print_to_stdout("in       {}\n", where);
  std::string reasons;
  for (const auto& [reason, images] : report.rejects)
    reasons += fmt::format("{}{}: {}", reasons.empty() ? " (" : ", ", reason, images);
  print_to_stdout("rejects  {}{}{}\n", count(report.rejects), reasons, reasons.empty() ? "" : ")");
  print_to_stdout("next     valley train CONFIG.toml data.path={}\n", where);
}

}  // namespace valley::app
