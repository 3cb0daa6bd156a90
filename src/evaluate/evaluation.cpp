#include "evaluate/evaluation.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "evaluate/dataset_source.h"
#include "evaluate/diversity.h"
#include "evaluate/frechet.h"
#include "evaluate/neighbors.h"
#include "evaluate/pyramid.h"
#include "evaluate/sliced_wasserstein.h"

namespace valley {
namespace {

constexpr std::int64_t kDefaultImages = 10'000;
constexpr std::int64_t kMinSide = 16;

using Better = Metric::Better;

void add_neighborhoods(const Team& team, const at::Tensor& real,
                       const std::vector<at::Tensor>& others, const std::string& suffix,
                       const std::function<void(std::size_t, const std::string&, double)>& add) {
  const std::vector<Neighborhood> found = neighborhoods(team, real, others);
  for (std::size_t i = 0; i < found.size(); ++i) {
    add(i, "density" + suffix, found[i].density);
    add(i, "coverage" + suffix, found[i].coverage);
  }
}

}  // namespace

SampleCount count_samples(std::optional<std::int64_t> requested, std::uint64_t data,
                          std::optional<std::uint64_t> samples, const std::string& where) {
  SampleCount count{requested.value_or(kDefaultImages), ""};
  const auto half = static_cast<std::int64_t>(data / 2);
  if (half < count.images) {
    count.images = half;
    count.limit =
        fmt::format("the data set has {} images, {} for each of two disjoint sets", data, half);
  }
  if (samples && static_cast<std::int64_t>(*samples) < count.images) {
    count.images = static_cast<std::int64_t>(*samples);
    count.limit = fmt::format("there are {} samples", *samples);
  }
  if (count.images < kMinImages)
    throw Error(
        ExitCode::kData,
        "{}: sets of {} images are too small to compare; at least {} samples are needed, and "
        "twice as many images of data",
        where, count.images, kMinImages);
  return count;
}

void require_measurable(std::int64_t height, std::int64_t width, const std::string& where) {
  if (height == width && height >= kMinSide) return;
  throw Error(
      ExitCode::kData,
      "{} holds images of {}x{} pixels; metrics need square images with at least {} pixels per "
      "side: build shards with --resolution",
      where, width, height, kMinSide);
}

RealImages choose_real_images(const std::shared_ptr<const Dataset>& dataset, std::int64_t images,
                              std::uint64_t seed) {
  VALLEY_CHECK(2 * images <= static_cast<std::int64_t>(dataset->size()));
  return {std::make_unique<DatasetSource>(dataset, seed, 0),
          std::make_unique<DatasetSource>(dataset, seed, static_cast<std::uint64_t>(images)),
          images, dataset->height()};
}

Evaluator::Evaluator(const Team& team, RealImages real, std::uint64_t seed,
                     const FeatureNetwork* network)
    : team_(team), real_(std::move(real)), seed_(seed), network_(network) {}

std::vector<Metric> Evaluator::evaluate(const SampleSource& samples) {
  const SingleThreaded single;
  const ImageSet real(*real_.data, real_.images);
  const ImageSet other(*real_.others, real_.images);
  ImageSet generated(samples, real_.images);
  generated.keep(team_, "samples");
  Sets sets = {&generated};
  if (floors_.empty()) sets.push_back(&other);

  std::vector<Values> values(sets.size());
  add_patches(real, sets, values);
  add_diversity(real, sets, values);
  add_neighbors(real, sets, values);
  if (network_ != nullptr) add_network(real, sets, values);
  add_channels(sets, values);

  if (floors_.empty()) floors_ = values[1];
  std::vector<Metric> metrics;
  for (std::size_t i = 0; i < values[0].size(); ++i) {
    const Named& found = values[0][i];
    metrics.push_back({found.name, found.value, floors_[i].value, found.better});
  }
  return metrics;
}

void Evaluator::add_patches(const ImageSet& real, const Sets& sets,
                            std::vector<Values>& values) const {
  const std::vector<std::int64_t> sides = pyramid_sides(real_.side);
  const auto levels = static_cast<std::int64_t>(sides.size());
  std::vector<Values> found(sets.size());
  std::vector<double> means(sets.size(), 0.0);
  for (std::int64_t level = 0; level < levels; ++level) {
    const auto patches = [&](const ImageSet& set) {
      return standard_patches(team_, set, seed_, level, levels);
    };
    const at::Tensor reference = patches(real);
    std::vector<at::Tensor> others;
    for (const ImageSet* set : sets) others.push_back(patches(*set));
    const std::vector<double> distances =
        sliced_distances(team_, seed_, reference, others, real_.images);
    for (std::size_t i = 0; i < sets.size(); ++i) {
      const std::string name = fmt::format("swd/{}", sides[static_cast<std::size_t>(level)]);
      found[i].push_back({name, distances[i], Better::kLower});
      means[i] += distances[i] / static_cast<double>(levels);
    }
  }
  for (std::size_t i = 0; i < sets.size(); ++i) {
    values[i].push_back({"swd", means[i], Better::kLower});
    values[i].insert(values[i].end(), found[i].begin(), found[i].end());
  }
}

void Evaluator::add_diversity(const ImageSet& real, const Sets& sets,
                              std::vector<Values>& values) const {
  const Diversity real_diversity = diversity(team_, real, seed_);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const Diversity found = diversity(team_, *sets[i], seed_);
    values[i].push_back({"ms_ssim", found.ms_ssim, Better::kNearFloor});
    values[i].push_back({"distance", found.distance, Better::kNearFloor});
    // Data of identical images have distance 0.
    values[i].push_back({"distance_ratio",
                         real_diversity.distance > 0 ? found.distance / real_diversity.distance : 0,
                         Better::kNearFloor});
  }
}

void Evaluator::add_neighbors(const ImageSet& real, const Sets& sets,
                              std::vector<Values>& values) const {
  const at::Tensor reference = gather_features(team_, "pixels", real, pixel_features);
  std::vector<at::Tensor> others;
  for (const ImageSet* set : sets)
    others.push_back(gather_features(team_, "pixels", *set, pixel_features));
  add_neighborhoods(team_, reference, others, "",
                    [&](std::size_t i, const std::string& name, double value) {
                      values[i].push_back({name, value, Better::kNearFloor});
                    });
}

void Evaluator::add_network(const ImageSet& real, const Sets& sets,
                            std::vector<Values>& values) const {
  const auto features = [&](const ImageSet& set) {
    return gather_features(
        team_, "network", set, [&](const at::Tensor& pixels) { return network_->features(pixels); },
        network_->on_gpu());
  };
  const at::Tensor reference = features(real);
  const Gaussian real_fit = fit_gaussian(reference);
  std::vector<at::Tensor> others;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    others.push_back(features(*sets[i]));
    values[i].push_back(
        {"fid", frechet_distance(real_fit, fit_gaussian(others.back())), Better::kLower});
  }
  add_neighborhoods(team_, reference, others, "/network",
                    [&](std::size_t i, const std::string& name, double value) {
                      values[i].push_back({name, value, Better::kNearFloor});
                    });
}

void Evaluator::add_channels(const Sets& sets, std::vector<Values>& values) const {
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const ChannelStatistics found = channel_statistics(team_, *sets[i]);
    for (std::size_t c = 0; c < found.mean.size(); ++c)
      values[i].push_back({fmt::format("mean/{}", c), found.mean[c], Better::kNearFloor});
    for (std::size_t c = 0; c < found.mean.size(); ++c)
      values[i].push_back({fmt::format("deviation/{}", c), found.deviation[c], Better::kNearFloor});
  }
}

}  // namespace valley
