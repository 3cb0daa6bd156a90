// What samples are worth, in numbers, each beside what other real images get in the samples' place.
//
// Every rank calls alike, with sources that give all ranks the same images; results are the same on
// every rank and the same bits for any number of ranks and threads.
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
  double value;      // of the samples
  double floor;      // the same of other real images in place of the samples
  Better better;
};

// How many images each of the three sets has: samples, data, and other data for the floor.
struct SampleCount {
  std::int64_t images;
  std::string limit;  // why it is not what was asked for, in words; "": it is
};
// `asked`: none for 10,000. At most half of the `data` images, so that the floor's set is another
// one, and at most `samples` where there are no more than those. Error kData for fewer than 10
// images a set, naming `where` they come from.
[[nodiscard]] SampleCount count_samples(std::optional<std::int64_t> asked, std::uint64_t data,
                                        std::optional<std::uint64_t> samples,
                                        const std::string& where);

// Error kData, naming `where`, for images that are not square or smaller than 16 pixels.
void require_measurable(std::int64_t height, std::int64_t width, const std::string& where);

class Evaluator {
 public:
  // Compares sets of `images` from `dataset`, of which there must be twice as many. `network`: for
  // FID, or null; it must outlive the evaluator.
  Evaluator(const Team& team, std::shared_ptr<const Dataset> dataset, std::int64_t images,
            std::uint64_t seed, const FeatureNetwork* network = nullptr);

  // Collective. Floors are measured the first time only. LibTorch's threads are set to one
  // meanwhile.
  [[nodiscard]] std::vector<Metric> evaluate(const SampleSource& samples);

 private:
  struct Named {
    std::string name;
    double value;
    Metric::Better better;
  };
  using Values = std::vector<Named>;
  using Sets = std::vector<const ImageSet*>;
  // Each adds to values[i] what it finds of sets[i] against the data.
  void add_patches(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_diversity(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_neighbors(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_network(const ImageSet& real, const Sets& sets, std::vector<Values>& values) const;
  void add_channels(const Sets& sets, std::vector<Values>& values) const;

  Team team_;
  std::shared_ptr<const Dataset> dataset_;
  std::int64_t images_;
  std::uint64_t seed_;
  const FeatureNetwork* network_;
  Values floors_;
};

}  // namespace valley
