// Metrics that compare samples with data. The floor of a metric is its value for other real images
// instead of the samples.
//
// Collective: all ranks must pass the same arguments, and sources must give all ranks the same
// images. Results are equal on every rank and bitwise equal for any number of ranks and threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "evaluate/blocks.h"
#include "evaluate/feature_network.h"
#include "evaluate/image_set.h"
#include "inference/sample_source.h"

namespace valley {

struct Metric {
  enum class Better { kLower, kHigher, kNearFloor };
  std::string name;  // "swd", "swd/64", "ms_ssim", "density", ...: docs/evaluating.md
  double value;      // for the samples
  double floor;      // for other real images
  Better better;
};

// Smallest set of images that can be compared.
inline constexpr std::int64_t kMinImages = 10;

// Number of images in each of the three sets: samples, data, and other data for the floor.
struct SampleCount {
  std::int64_t images;
  std::string limit;  // reason for a smaller number than requested; "": none
};
// `requested`: default 10,000. Limited to half of the `data` images, so that the sets of data are
// disjoint, and to `samples` if given. Error kData naming `where` for fewer than
// kMinImages images per set.
[[nodiscard]] SampleCount count_samples(std::optional<std::int64_t> requested, std::uint64_t data,
                                        std::optional<std::uint64_t> samples,
                                        const std::string& where);

// Error kData naming `where` for images that are not square or smaller than 16 pixels.
void require_measurable(std::int64_t height, std::int64_t width, const std::string& where);

// Real images: those to compare with, and as many others for the floor.
struct RealImages {
  std::unique_ptr<SampleSource> data;
  std::unique_ptr<SampleSource> others;
  std::int64_t images = 0;  // in each set
  std::int64_t side = 0;    // pixels
};
// Disjoint random sets of `images` images of `dataset`, which must have at least twice as many.
[[nodiscard]] RealImages choose_real_images(const std::shared_ptr<const Dataset>& dataset,
                                            std::int64_t images, std::uint64_t seed);

class Evaluator {
 public:
  // `seed`: of patches, directions and pairs. `network`: for FID, or null; it must outlive the
  // evaluator.
  Evaluator(const Team& team, RealImages real, std::uint64_t seed,
            const FeatureNetwork* network = nullptr);

  [[nodiscard]] const RealImages& real() const { return real_; }

  // Collective. Measures floors in the first call only. Sets LibTorch to one thread meanwhile.
  [[nodiscard]] std::vector<Metric> evaluate(const SampleSource& samples);

 private:
  struct Named {
    std::string name;
    double value;
    Metric::Better better;
  };
  using Values = std::vector<Named>;
  using Sets = std::vector<const ImageSet*>;
  // Each adds metrics of sets[i], compared with the data, to values[i].
  void add_patches(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_diversity(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_neighbors(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_network(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_channels(const Sets& sets, std::vector<Values>& values) const;

  Team team_;
  RealImages real_;
  std::uint64_t seed_;
  const FeatureNetwork* network_;
  Values floors_;
};

}  // namespace valley
