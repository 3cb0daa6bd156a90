// Plots of `valley classify`, for images with labels.
#pragma once

#include <cstdint>
#include <string>

#include "app/classify/report.h"

namespace valley::app {

// The confusion matrix.
void draw_confusion(const std::string& path, const ClassifyReport& report);

// The reliability diagram: accuracy against confidence.
void draw_reliability(const std::string& path, const ClassifyReport& report);

// The `max_count` mistakes of highest probability, with predicted class and label. Reads those
// images again.
void draw_mistakes(const std::string& path, const ClassifyReport& report, std::int64_t max_count);

}  // namespace valley::app
