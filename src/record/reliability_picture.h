// Reliability diagram (DeGroot and Fienberg 1983): accuracy over confidence, above a histogram of
// confidences.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "record/image_grid.h"

namespace valley {

// Predictions whose confidence is in one of equal parts of [0, 1].
struct ReliabilityBin {
  double count = 0;
  double confidence = 0;  // mean
  double accuracy = 0;    // share of correct predictions
};

// `title`: one line of ASCII above the chart. At least one bin must have a count.
Png write_reliability(const std::filesystem::path& path, std::span<const ReliabilityBin> bins,
                      const std::string& title);

}  // namespace valley
