#include "app/shard/build_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/json_text.h"
#include "core/log.h"
#include "core/text.h"

namespace valley::app {
namespace {

std::string shape_text(const BuildOptions& options) {
  const Target& target = options.target;
  return fmt::format("{}x{}x{}", target.width, target.height, target.channels);
}

std::string shards_text(std::uint64_t shards) {
  return plural(static_cast<std::int64_t>(shards), "shard");
}

double images_per_second(const BuildReport& report) {
  return static_cast<double>(report.images - report.resumed_images) /
         std::max(report.seconds, 1e-9);
}

}  // namespace

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

std::string plan_to_json(const BuildPlan& plan, const BuildOptions& options) {
  const nlohmann::ordered_json root = {
      {"dry_run", true},
      {"candidates", plan.candidates},
      {"images_at_most", plan.images},
      {"shards_at_most", plan.shards},
      {"pixel_bytes_at_most", plan.bytes},
      {"directory", options.destination.string()},
      {"parameters", parse_json<nlohmann::ordered_json>(plan.parameters_json, "parameters")}};
  return write_json(root, 1);
}

std::string plan_to_text(const BuildPlan& plan, const BuildOptions& options) {
  return fmt::format(
      "would build at most {} images of {} in {}: {} of pixels{}\n"
      "in          {}\n"
      "parameters  {}\n",
      plan.images, shape_text(options), shards_text(plan.shards), format_bytes(plan.bytes),
      options.storage.is_encoded() ? fmt::format(", stored as {}", storage_name(options.storage))
                                   : "",
      options.destination.string(), plan.parameters_json);
}

std::uint64_t count_rejects(const BuildReport& report) {
  std::uint64_t total = 0;
  for (const auto& [reason, images] : report.rejects) total += images;
  return total;
}

void warn_of_empty_classes(const BuildReport& report) {
  constexpr std::size_t kMaxNamed = 5;
  const std::size_t count = report.empty_classes.size();
  if (count == 0) return;
  std::string text;
  for (std::size_t i = 0; i < std::min(kMaxNamed, count); ++i) {
    const auto& [label, name] = report.empty_classes[i];
    text += fmt::format("{}{}", i == 0 ? "" : ", ", label);
    if (!name.empty()) text += fmt::format(" (\"{}\")", name);
  }
  if (count > kMaxNamed) text += fmt::format(" and {} more", count - kMaxNamed);
  log::warn(
      "all images of {} {} were rejected, so no stored image has {}; the other classes keep their "
      "labels",
      count == 1 ? "class" : "classes", text, count == 1 ? "this label" : "these labels");
}

std::string to_json(const BuildReport& report, const BuildOptions& options) {
  const nlohmann::ordered_json root = {{"images", report.images},
                                       {"resumed_images", report.resumed_images},
                                       {"shards", report.shards},
                                       {"bytes", report.bytes},
                                       {"seconds", report.seconds},
                                       {"images_per_s", images_per_second(report)},
                                       {"rejects", report.rejects},
                                       {"fingerprint", report.fingerprint},
                                       {"directory", options.destination.string()}};
  return write_json(root, 1);
}

std::string to_text(const BuildReport& report, const BuildOptions& options) {
  const std::string destination = options.destination.string();
  std::string text =
      fmt::format("built {} images of {} in {}: {} in {:.1f} s ({:.0f} img/s)\n", report.images,
                  shape_text(options), shards_text(report.shards), format_bytes(report.bytes),
                  report.seconds, images_per_second(report));
  if (report.resumed_images > 0)
    text += fmt::format("resumed after {} images of an earlier build\n", report.resumed_images);
  text += fmt::format("in       {}\n", destination);
  std::string reasons;
  for (const auto& [reason, images] : report.rejects)
    reasons += fmt::format("{}{}: {}", reasons.empty() ? " (" : ", ", reason, images);
  text +=
      fmt::format("rejects  {}{}{}\n", count_rejects(report), reasons, reasons.empty() ? "" : ")");
  return text + fmt::format("next     valley train CONFIG.toml data.path={}\n", destination);
}

}  // namespace valley::app
