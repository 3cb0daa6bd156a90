// Files of predicted classes, one line per image, for other programs.
#pragma once

#include <string>

#include "app/classify/report.h"

namespace valley::app {

enum class ClassesFormat { kJsonl, kCsv };

// From the file extension, .jsonl or .csv. Error kUsage for any other.
[[nodiscard]] ClassesFormat classes_format(const std::string& path);

// Per image: index, name, label (-1: none), predicted (index of the class), predicted_name,
// probability (of that class) and probabilities (of all classes; in CSV one column per class, "p_"
// and its name). Values have the fewest digits that read back as the same double.
[[nodiscard]] std::string format_classes(ClassesFormat format, const ClassifyReport& report);

}  // namespace valley::app
