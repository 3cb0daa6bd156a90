#include "app/energy/report.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json_text.h"

namespace valley::app {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

std::string difference_name(const EnergyReport& report) {
  return report.is_density ? "log-ratio" : "difference";
}

double mean_difference(const EnergyReport& report) {
  return report.summaries[1].mean - report.summaries[0].mean;
}

// The set of the second image of each pair.
const EnergySet& second_set(const EnergyReport& report) { return report.sets.back(); }

std::string summary_table(const EnergyReport& report) {
  std::string text =
      fmt::format("{:<8} {:>8} {:>10} {:>10} {:>10}", "set", "images", "mean", "deviation", "min");
  for (const int percent : kPercents) text += fmt::format(" {:>10}", fmt::format("{}%", percent));
  text += fmt::format(" {:>10}\n", "max");
  for (std::size_t i = 0; i < report.sets.size(); ++i) {
    const Summary& s = report.summaries[i];
    text += fmt::format("{:<8} {:>8} {:>10.5g} {:>10.5g} {:>10.5g}", report.sets[i].name, s.count,
                        s.mean, s.deviation, s.min);
    for (const double value : s.percentiles) text += fmt::format(" {:>10.5g}", value);
    text += fmt::format(" {:>10.5g}\n", s.max);
  }
  return text;
}

std::string detection_table(const EnergyReport& report) {
  const SetDetection& found = *report.detection;
  std::string text = fmt::format("\nauroc            {:.4f}", found.auroc.value);
  if (found.auroc.low)
    text += fmt::format(", 95 % confidence interval {:.4f} to {:.4f}", *found.auroc.low,
                        *found.auroc.high);
  text += fmt::format("\nfpr at 95 % tpr  {:.4f}, by the threshold {:.6g}\n",
                      found.threshold.false_positives, found.threshold.energy);
  text += fmt::format("mean {}  {:.6g}, E(against) - E(data)\n", difference_name(report),
                      mean_difference(report));
  return text;
}

std::string pair_table(const EnergyReport& report) {
  const LabeledImages& first = *report.sets.front().images;
  const LabeledImages& second = *second_set(report).images;
  std::string text = fmt::format("\n{:>12}  first (data), second ({}): E(second) - E(first)\n",
                                 difference_name(report), second_set(report).name);
  for (const EnergyPair& pair : report.pairs) {
    text +=
        fmt::format("{:>12.6g}  {} {}, {} {}\n", pair.difference, first.index(pair.first),
                    first.name(pair.first), second.index(pair.second), second.name(pair.second));
  }
  return text;
}

Json to_json(const EnergySet& set, const Summary& s) {
  Json percentiles;
  for (std::size_t i = 0; i < kPercents.size(); ++i)
    percentiles[fmt::to_string(kPercents[i])] = s.percentiles[i];
  return {{"inputs", set.inputs}, {"fingerprint", set.images->fingerprint()},
          {"images", s.count},    {"of", set.of},
          {"mean", s.mean},       {"deviation", s.deviation},
          {"min", s.min},         {"percentiles", percentiles},
          {"max", s.max}};
}

Json detection_to_json(const EnergyReport& report) {
  const SetDetection& found = *report.detection;
  const double difference = mean_difference(report);
  return {{"auroc", found.auroc.value},
          {"auroc_stderr", number_or_null(found.auroc.standard_error)},
          {"auroc_low", number_or_null(found.auroc.low)},
          {"auroc_high", number_or_null(found.auroc.high)},
          {"fpr_at_95_tpr", found.threshold.false_positives},
          {"threshold", found.threshold.energy},
          {"mean_difference", difference},
          {"mean_log_ratio", report.is_density ? Json(difference) : Json()}};
}

Json pairs_to_json(const EnergyReport& report) {
  const auto image = [](const EnergySet& set, std::uint64_t i) -> Json {
    return {{"set", set.name}, {"index", set.images->index(i)}, {"name", set.images->name(i)}};
  };
  Json pairs = Json::array();
  for (const EnergyPair& pair : report.pairs) {
    pairs.push_back({{"first", image(report.sets.front(), pair.first)},
                     {"second", image(second_set(report), pair.second)},
                     {"difference", pair.difference},
                     {"log_ratio", report.is_density ? Json(pair.difference) : Json()}});
  }
  return pairs;
}

}  // namespace

void summarize(EnergyReport& report) {
  for (const EnergySet& set : report.sets)
    report.summaries.push_back(valley::summarize(set.values()));
  if (report.sets.size() == 2) {
    const auto data = report.sets[0].values();
    const auto against = report.sets[1].values();
    report.detection = {auroc(data, against), threshold_keeping(kTruePositiveRate, data, against)};
  }
  for (EnergyPair& pair : report.pairs)
    pair.difference = static_cast<double>(second_set(report).values()[pair.second]) -
                      static_cast<double>(report.sets.front().values()[pair.first]);
}

std::string to_table(const EnergyReport& report) {
  std::string text = fmt::format("model    {} ({} weights)\nenergy   {}\n", report.model,
                                 report.weights, report.energy);
  if (!report.is_density)
    text += "         a score, not a density: differences are not log-likelihood ratios\n";
  for (const auto& [name, value] : report.model_values)
    text += fmt::format("{:<8} {:.6g}\n", name, value);
  for (const EnergySet& set : report.sets)
    text += fmt::format("{:<8} {} of the {} images of {}\n", set.name, set.images->size(), set.of,
                        fmt::join(set.inputs, " "));
  text += '\n';
  text += summary_table(report);
  if (report.detection) text += detection_table(report);
  if (!report.pairs.empty()) text += pair_table(report);
  return text;
}

std::string to_json(const EnergyReport& report) {
  Json root = {{"model", report.model},
               {"weights", report.weights},
               {"energy", report.energy},
               {"is_density", report.is_density}};
  for (const auto& [name, value] : report.model_values) root[name] = value;
  for (std::size_t i = 0; i < report.sets.size(); ++i)
    root[report.sets[i].name] = to_json(report.sets[i], report.summaries[i]);
  if (report.detection) root["detection"] = detection_to_json(report);
  if (!report.pairs.empty()) root["pairs"] = pairs_to_json(report);
  return write_json(root, 1) + "\n";
}

}  // namespace valley::app
