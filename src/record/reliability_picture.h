// Whether what is said with a probability is right as often, as a picture: a reliability diagram
// (DeGroot and Fienberg 1983), with how many images say so under it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "record/image_grid.h"

namespace valley {

// What was said with a probability in one of so many equal parts of 0 to 1.
struct ReliabilityBin {
  double count = 0;
  double confidence = 0;  // mean
  double accuracy = 0;    // how often it was right
};

// `title`: above, one line of ASCII. At least one bin has a count.
Png write_reliability(const std::filesystem::path& path, std::span<const ReliabilityBin> bins,
                      const std::string& title);

}  // namespace valley
