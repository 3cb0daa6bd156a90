// Files of classes, an image each, for other programs.
#pragma once

#include <string>

#include "app/classify_report.h"

namespace valley::app {

enum class ClassesFormat { kJsonl, kCsv };

// By the ending of the name: .jsonl or .csv. Error kUsage naming them for any other.
[[nodiscard]] ClassesFormat classes_format(const std::string& path);

// Of each image, in their order: index, name, label (-1: none), predicted (the number of a class),
// predicted_name, probability (of that class) and probabilities, of every class; in CSV a column
// each, "p_" and the class's name. Numbers are as short as reads back to the same double.
[[nodiscard]] std::string classes_as(ClassesFormat format, const ClassifyReport& report);

}  // namespace valley::app
