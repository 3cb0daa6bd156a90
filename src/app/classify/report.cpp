#include "app/classify/report.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json_text.h"
#include "core/text.h"

namespace valley::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kPercent = 100;
constexpr std::size_t kMaxListedImages = 20;   // more images are only counted per class
constexpr std::size_t kMaxMatrixClasses = 20;  // more classes are listed as confused pairs
constexpr std::size_t kMaxListedPairs = 10;

// Number of images predicted as each class.
std::vector<std::uint64_t> predicted_counts(const ClassifyReport& report) {
  std::vector<std::uint64_t> counts(report.names.size());
  for (std::size_t i = 0; i < report.probabilities->images(); ++i)
    ++counts[report.probabilities->predicted(i)];
  return counts;
}

// Class names without line breaks.
std::vector<std::string> table_names(const ClassifyReport& report) {
  std::vector<std::string> names;
  for (const std::string& name : report.captions) names.push_back(printable_line(name));
  return names;
}

std::string image_table(const ClassifyReport& report) {
  const ClassProbabilities& p = *report.probabilities;
  const std::vector<std::string> names = table_names(report);
  std::string text =
      fmt::format("\n{:<12}  {:>11}  {:<12}  name\n", "predicted", "probability", "label");
  for (std::size_t i = 0; i < p.images(); ++i) {
    const std::int64_t label = report.labels[i];
    text += fmt::format("{:<12}  {:>11.4f}  {:<12}  {}\n", names[p.predicted(i)], p.confidence(i),
                        label < 0 ? "-" : names[static_cast<std::size_t>(label)],
                        printable_line(report.images->name(i)));
  }
  return text;
}

std::string count_table(const ClassifyReport& report) {
  const std::vector<std::uint64_t> counts = predicted_counts(report);
  const std::vector<std::string> names = table_names(report);
  std::string text = fmt::format("\n{:<12}  {:>8}\n", "predicted", "images");
  for (std::size_t y = 0; y < counts.size(); ++y)
    if (counts[y] > 0) text += fmt::format("{:<12}  {:>8}\n", names[y], counts[y]);
  return text;
}

std::string measure_table(const Classification& c) {
  return fmt::format(
      "\nimages with a label         {}\n"
      "accuracy                    {:.2f} %, 95 % confidence interval {:.2f} to {:.2f} %\n"
      "error rate                  {:.2f} % ({} images)\n"
      "log-loss                    {:.4f} nats\n"
      "Brier score                 {:.4f}\n"
      "mean confidence             {:.2f} %\n"
      "expected calibration error  {:.4f}, of {} bins\n",
      c.images, kPercent * c.accuracy, kPercent * c.interval.low, kPercent * c.interval.high,
      kPercent * (1 - c.accuracy), c.images - c.right, c.log_loss, c.brier,
      kPercent * c.mean_confidence, c.calibration_error, kCalibrationBins);
}

std::string confusion_table(const Classification& c, const std::vector<std::string>& names) {
  std::size_t width = 5;
  for (const std::string& name : names) width = std::max(width, name.size());
  const std::size_t cell = std::max<std::size_t>(width, 6);
  std::string text = fmt::format("\n{:<{}}", "label", width);
  for (const std::string& name : names) text += fmt::format(" {:>{}}", name, cell);
  text += fmt::format(" {:>8}\n", "right");
  for (std::size_t label = 0; label < c.classes; ++label) {
    std::uint64_t all = 0;
    text += fmt::format("{:<{}}", names[label], width);
    for (std::size_t y = 0; y < c.classes; ++y) {
      all += c.confused(label, y);
      text += fmt::format(" {:>{}}", c.confused(label, y), cell);
    }
    text += all == 0 ? fmt::format(" {:>8}\n", "-")
                     : fmt::format(" {:>6.1f} %\n",
                                   kPercent * static_cast<double>(c.confused(label, label)) /
                                       static_cast<double>(all));
  }
  return text;
}

// The pairs of classes that are confused most often.
std::string confusion_list(const Classification& c, const std::vector<std::string>& names) {
  std::vector<std::size_t> pairs;
  for (std::size_t i = 0; i < c.confusion.size(); ++i)
    if (i / c.classes != i % c.classes && c.confusion[i] > 0) pairs.push_back(i);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [&](std::size_t a, std::size_t b) { return c.confusion[a] > c.confusion[b]; });
  std::string text = "\nconfused most often\n";
  for (std::size_t i = 0; i < std::min(kMaxListedPairs, pairs.size()); ++i)
    text += fmt::format("{:>6}  {} taken for {}\n", c.confusion[pairs[i]],
                        names[pairs[i] / c.classes], names[pairs[i] % c.classes]);
  return text;
}

Json to_json(const Classification& c) {
  Json confusion = Json::array();
  for (std::size_t label = 0; label < c.classes; ++label) {
    const auto row = c.confusion.begin() + static_cast<std::ptrdiff_t>(label * c.classes);
    confusion.push_back(
        std::vector<std::uint64_t>(row, row + static_cast<std::ptrdiff_t>(c.classes)));
  }
  Json bins = Json::array();
  for (const CalibrationBin& bin : c.bins)
    bins.push_back({{"images", bin.images},
                    {"confidence", bin.images > 0 ? Json(bin.confidence) : Json()},
                    {"accuracy", bin.images > 0 ? Json(bin.accuracy) : Json()}});
  return {{"images", c.images},
          {"right", c.right},
          {"accuracy", c.accuracy},
          {"accuracy_low", c.interval.low},
          {"accuracy_high", c.interval.high},
          {"error_rate", 1 - c.accuracy},
          {"log_loss", c.log_loss},
          {"brier", c.brier},
          {"mean_confidence", c.mean_confidence},
          {"expected_calibration_error", c.calibration_error},
          {"calibration", bins},
          {"confusion", confusion}};
}

}  // namespace

bool has_labels(const ClassifyReport& report) {
  return std::any_of(report.labels.begin(), report.labels.end(),
                     [](std::int64_t label) { return label >= 0; });
}

std::string to_table(const ClassifyReport& report) {
  std::string text =
      fmt::format("model    {}\nmethod   {}\nclasses  {}\ndata     {} of the {} images of {}\n",
                  report.model, report.method, report.names.size(), report.images->size(),
                  report.of, fmt::join(report.inputs, " "));
  text += report.probabilities->images() <= kMaxListedImages ? image_table(report)
                                                             : count_table(report);
  if (!report.result) return text;
  text += measure_table(*report.result);
  text += report.names.size() <= kMaxMatrixClasses
              ? confusion_table(*report.result, table_names(report))
              : confusion_list(*report.result, table_names(report));
  return text;
}

std::string to_json(const ClassifyReport& report) {
  const Json root = {{"model", report.model},
                     {"method", report.method},
                     {"inputs", report.inputs},
                     {"fingerprint", report.images->fingerprint()},
                     {"images", report.images->size()},
                     {"of", report.of},
                     {"classes", report.names},
                     {"predicted", predicted_counts(report)},
                     {"labelled", report.result ? to_json(*report.result) : Json()}};
  return write_json(root, 1) + "\n";
}

}  // namespace valley::app
