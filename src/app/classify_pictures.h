// The pictures of `valley classify`, of images with labels.
#pragma once

#include <cstdint>
#include <string>

#include "app/classify_report.h"

namespace valley::app {

// Which classes are taken for which.
void draw_confusion(const std::string& path, const ClassifyReport& report);

// Whether probabilities are right as often as they say.
void draw_reliability(const std::string& path, const ClassifyReport& report);

// The `most` mistakes of highest probability, with what they were taken for and what they are.
// Reads those images again.
void draw_mistakes(const std::string& path, const ClassifyReport& report, std::int64_t most);

}  // namespace valley::app
