#include "app/evaluate/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json_text.h"
#include "evaluate/diversity.h"
#include "evaluate/neighbors.h"

namespace valley::app {
namespace {

const char* direction_name(Metric::Better better) {
  switch (better) {
    case Metric::Better::kLower:
      return "lower";
    case Metric::Better::kHigher:
      return "higher";
    default:
      return "near floor";
  }
}

int decimal_places(const std::string& name) {
  return name.starts_with("swd") || name == "fid" ? 2 : 4;
}

}  // namespace

std::string to_table(const EvaluationReport& report) {
  const std::string weights = report.weights.empty() ? "" : " (" + report.weights + " weights)";
  std::string text = fmt::format(
      "samples  {} of {}{}\n"
      "data     {} of the {} images of {}; floor: {} other images of them instead of samples\n",
      report.images, report.samples, weights, report.images, report.data_images, report.data,
      report.images);
  if (!report.limit.empty()) text += fmt::format("number   {}\n", report.limit);
  std::size_t width = 0;
  for (const Metric& m : report.metrics) width = std::max(width, m.name.size());
  text += fmt::format("\n{:<{}}  {:>10}  {:>10}  better\n", "metric", width, "samples", "floor");
  for (const Metric& m : report.metrics) {
    const int decimals = decimal_places(m.name);
    text += fmt::format("{:<{}}  {:>10.{}f}  {:>10.{}f}  {}\n", m.name, width, m.value, decimals,
                        m.floor, decimals, direction_name(m.better));
  }
  return text;
}

std::string to_json(const EvaluationReport& report) {
  nlohmann::ordered_json samples = {{"images", report.images}};
  if (report.weights.empty()) {
    samples["directory"] = report.samples;
    samples["fingerprint"] = report.fingerprint;
  } else {
    samples["model"] = report.samples;
    samples["weights"] = report.weights;
  }
  nlohmann::ordered_json metrics;
  for (const Metric& m : report.metrics)
    metrics[m.name] = {
        {"value", m.value}, {"floor", m.floor}, {"better", direction_name(m.better)}};
  nlohmann::ordered_json root = {{"samples", samples},
                                 {"data",
                                  {{"directory", report.data},
                                   {"fingerprint", report.data_fingerprint},
                                   {"images", report.data_images},
                                   {"compared", report.images},
                                   {"floor", report.images}}},
                                 {"limit", report.limit},
                                 {"seed", report.seed},
                                 {"pairs", kPairs},
                                 {"neighbors", kNeighbors}};
  if (!report.network.empty())
    root["network"] = {{"file", report.network}, {"sha256", report.network_sha256}};
  root["metrics"] = metrics;
  return write_json(root, 1) + "\n";
}

}  // namespace valley::app
