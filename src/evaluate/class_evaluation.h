// Samples and metrics by class.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "evaluate/evaluation.h"
#include "inference/sample_source.h"

namespace valley {

// Classes for the samples of a generator of `labels` classes (0: none), so that samples have the
// classes of the images they are compared with: seed i has the class of image i of
// choose_real_images(dataset, images, seed). Empty if a class would not be one of the generator, or
// if some of these images have none.
[[nodiscard]] ClassOfSeed classes_as_in(const std::shared_ptr<const Dataset>& dataset,
                                        std::uint64_t seed, std::int64_t images,
                                        std::int64_t labels);

// The images of each class, in the random order given by `seed`.
class ImagesByClass {
 public:
  // Images without a class, and those of classes from `classes` on, are left out.
  ImagesByClass(std::shared_ptr<const Dataset> dataset, std::int64_t classes, std::uint64_t seed);

  [[nodiscard]] std::int64_t classes() const { return static_cast<std::int64_t>(chosen_.size()); }
  [[nodiscard]] std::int64_t size(std::int64_t label) const;
  // The images of a class from `first` on; this object must outlive the source.
  [[nodiscard]] std::unique_ptr<SampleSource> source(std::int64_t label, std::int64_t first) const;
  [[nodiscard]] const Dataset& dataset() const { return *dataset_; }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::vector<std::uint64_t>> chosen_;  // indices in the data set
};

// Number of classes of a data set: of its names, or without names the largest label + 1.
[[nodiscard]] std::int64_t count_classes(const Dataset& dataset);

struct ClassMetrics {
  std::int64_t label = 0;
  std::string name;             // "": none
  std::int64_t images = 0;      // in each of the three sets
  std::vector<Metric> metrics;  // empty for fewer than kMinImages images
};

// The samples of a class.
struct ClassSamples {
  std::unique_ptr<SampleSource> source;
  std::optional<std::int64_t> images;  // nullopt: as many as are needed
};

// Collective. Compares the samples of each class with the images of the class, as if these were a
// data set of their own: at most half of them and at most `count`.
[[nodiscard]] std::vector<ClassMetrics> evaluate_classes(
    const Team& team, const ImagesByClass& data, std::int64_t count, std::uint64_t seed,
    const FeatureNetwork* network, const std::function<ClassSamples(std::int64_t label)>& samples);

}  // namespace valley
