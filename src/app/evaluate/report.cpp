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

// Those that the table of classes has.
constexpr const char* kClassMetrics[] = {"swd", "distance_ratio", "density", "coverage"};

std::string class_table(const std::vector<ClassMetrics>& classes) {
  std::size_t width = 5;
  const auto title = [](const ClassMetrics& c) {
    return c.name.empty() ? fmt::format("{}", c.label) : fmt::format("{} {}", c.label, c.name);
  };
  for (const ClassMetrics& c : classes) width = std::max(width, title(c).size());
  std::string text = fmt::format("\n{:<{}}  {:>6}", "class", width, "images");
  for (const char* name : kClassMetrics)
    text += fmt::format("  {:>22}", std::string(name) + " (floor)");
  text += "\n";
  for (const ClassMetrics& c : classes) {
    text += fmt::format("{:<{}}  {:>6}", title(c), width, c.images);
    if (c.metrics.empty()) text += fmt::format("  too few: at least {} are needed", kMinImages);
    for (const char* name : kClassMetrics) {
      for (const Metric& m : c.metrics) {
        if (m.name != name) continue;
        const int decimals = decimal_places(m.name);
        text += fmt::format("  {:>22}",
                            fmt::format("{:.{}f} ({:.{}f})", m.value, decimals, m.floor, decimals));
      }
    }
    text += "\n";
  }
  return text;
}

nlohmann::ordered_json metrics_json(const std::vector<Metric>& metrics) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Metric& m : metrics)
    json[m.name] = {{"value", m.value}, {"floor", m.floor}, {"better", direction_name(m.better)}};
  return json;
}

nlohmann::ordered_json classes_json(const std::vector<ClassMetrics>& classes) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ClassMetrics& c : classes)
    json.push_back({{"class", c.label},
                    {"name", c.name},
                    {"images", c.images},
                    {"metrics", metrics_json(c.metrics)}});
  return json;
}

}  // namespace

std::string to_table(const EvaluationReport& report) {
  const std::string weights = report.weights.empty() ? "" : " (" + report.weights + " weights)";
  std::string text = fmt::format(
      "samples  {} of {}{}\n"
      "data     {} of the {} images of {}; floor: {} other images of them instead of samples\n",
      report.images, report.samples, weights, report.images, report.data_images, report.data,
      report.images);
  if (!report.class_shares.empty())
    text += fmt::format("classes  {}\n", report.class_shares == "data"
                                             ? "those of the data's images"
                                             : "in equal shares: images of the data without one of "
                                               "the model's classes");
  if (!report.limit.empty()) text += fmt::format("number   {}\n", report.limit);
  std::size_t width = 0;
  for (const Metric& m : report.metrics) width = std::max(width, m.name.size());
  text += fmt::format("\n{:<{}}  {:>10}  {:>10}  better\n", "metric", width, "samples", "floor");
  for (const Metric& m : report.metrics) {
    const int decimals = decimal_places(m.name);
    text += fmt::format("{:<{}}  {:>10.{}f}  {:>10.{}f}  {}\n", m.name, width, m.value, decimals,
                        m.floor, decimals, direction_name(m.better));
  }
  if (!report.classes.empty()) text += class_table(report.classes);
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
  if (!report.class_shares.empty()) samples["class_shares"] = report.class_shares;
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
  root["metrics"] = metrics_json(report.metrics);
  if (!report.classes.empty()) root["classes"] = classes_json(report.classes);
  return write_json(root, 1) + "\n";
}

}  // namespace valley::app
