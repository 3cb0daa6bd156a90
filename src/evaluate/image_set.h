// A set of images to evaluate, from a source, in blocks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "evaluate/blocks.h"
#include "inference/sample_source.h"

namespace valley {

class ImageSet {
 public:
  // The first `images` images of `source`, which must outlive the set.
  ImageSet(const SampleSource& source, std::int64_t images) : source_(source), images_(images) {}

  // Draws this rank's share and keeps it in memory as bytes, for slow sources.
  void keep(const Team& team, const std::string& task);

  [[nodiscard]] std::int64_t images() const { return images_; }
  [[nodiscard]] std::int64_t blocks() const { return count_blocks(images_); }
  [[nodiscard]] at::Tensor block(std::int64_t index) const;  // uint8 [n, H, W, C]

 private:
  const SampleSource& source_;
  std::int64_t images_;
  std::int64_t first_kept_ = 0;
  std::vector<at::Tensor> kept_;
};

// Collective: features(pixels of a block), float [n, F], for all images: [images, F] on every rank.
// `one_thread`: on the calling thread only.
[[nodiscard]] at::Tensor gather_features(
    const Team& team, const std::string& task, const ImageSet& set,
    const std::function<at::Tensor(const at::Tensor& pixels)>& features, bool one_thread = false);

// Pixels as a feature vector, without scaling, halved by sums of 2 x 2 pixels until a side is at
// most 16 (an odd last row or column is left out). uint8 [n, H, W, C] -> float [n, C h w].
[[nodiscard]] at::Tensor pixel_features(const at::Tensor& pixels);

// Mean and standard deviation of each channel over all pixels, in [0, 1]. Sums are exact.
// Collective.
struct ChannelStatistics {
  std::vector<double> mean;
  std::vector<double> deviation;
};
[[nodiscard]] ChannelStatistics channel_statistics(const Team& team, const ImageSet& set);

}  // namespace valley
