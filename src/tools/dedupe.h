// Finds copies of images in one or several data sets: exact ones by a hash of the pixels, near ones
// (rescaled, recompressed, slightly cropped) by a perceptual hash and a comparison of the aligned
// images.
//
// Memory: about 270 bytes per image, and the pairs that the hashes find. Pixels are read again for
// the comparison.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace valley {

struct ImagePlace {
  std::size_t dataset = 0;
  std::uint64_t index = 0;
};

struct ImageCopy {
  ImagePlace place;
  bool is_exact = false;
  double distance = 0;  // of aligned_difference; 0 for exact copies
};

// An image that is kept, the first one in order, and its copies.
struct CopyGroup {
  ImagePlace kept;
  std::vector<ImageCopy> copies;
};

struct DedupeOptions {
  bool exact_only = false;
  double max_distance = 1;
  unsigned jobs = 1;  // does not change the result
  // Called on any thread, one at a time.
  std::function<void(std::string_view phase, double share)> progress{};
};

struct DedupeReport {
  std::uint64_t images = 0;
  std::uint64_t exact = 0;
  std::uint64_t near = 0;
  std::uint64_t leaks = 0;       // copies of an image of another data set
  std::uint64_t candidates = 0;  // pairs that the hashes found
  std::vector<CopyGroup> groups;
  double seconds = 0;
};

// Each copy is compared with the kept image of its group, so a chain of small changes does not join
// images that differ. Every image is verified. Errors of Dataset::read.
[[nodiscard]] DedupeReport find_copies(const std::vector<std::shared_ptr<const Dataset>>& datasets,
                                       const DedupeOptions& options);

}  // namespace valley
