#include "app/classify/files.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "app/csv_field.h"
#include "core/error.h"
#include "core/json_text.h"

namespace valley::app {
namespace {

std::string classes_to_jsonl(const ClassifyReport& report) {
  const ClassProbabilities& p = *report.probabilities;
  std::string text;
  for (std::size_t i = 0; i < p.images(); ++i) {
    text += fmt::format(R"({{"index": {}, "name": {}, "label": {}, "predicted": {}, )",
                        report.images->index(i), json_string(report.images->name(i)),
                        report.labels[i], p.predicted(i));
    text += fmt::format("\"predicted_name\": {}, \"probability\": {}, \"probabilities\": [{}]}}\n",
                        json_string(report.names[p.predicted(i)]), p.confidence(i),
                        fmt::join(p.of(i), ", "));
  }
  return text;
}

std::string classes_to_csv(const ClassifyReport& report) {
  const ClassProbabilities& p = *report.probabilities;
  std::string text = "index,name,label,predicted,predicted_name,probability";
  for (const std::string& name : report.captions)
    text += fmt::format(",{}", csv_field("p_" + name));
  text += "\n";
  for (std::size_t i = 0; i < p.images(); ++i) {
    text += fmt::format("{},{},{},{},{},{},{}\n", report.images->index(i),
                        csv_field(report.images->name(i)), report.labels[i], p.predicted(i),
                        csv_field(report.names[p.predicted(i)]), p.confidence(i),
                        fmt::join(p.of(i), ","));
  }
  return text;
}

}  // namespace

ClassesFormat classes_format(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".jsonl") return ClassesFormat::kJsonl;
  if (ending == ".csv") return ClassesFormat::kCsv;
  throw Error(ExitCode::kUsage,
              "-o {}: the format follows from the file extension: use .jsonl or .csv", path);
}

std::string format_classes(ClassesFormat format, const ClassifyReport& report) {
  return format == ClassesFormat::kJsonl ? classes_to_jsonl(report) : classes_to_csv(report);
}

}  // namespace valley::app
