#include "evaluate/class_evaluation.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <span>
#include <utility>

#include "core/error.h"
#include "data/order.h"
#include "evaluate/dataset_source.h"

namespace valley {
namespace {

// Images of a data set by their indices.
class ImagesOfClass final : public SampleSource {
 public:
  ImagesOfClass(const Dataset& dataset, std::span<const std::uint64_t> indices)
      : dataset_(dataset), indices_(indices) {}

  [[nodiscard]] at::Tensor pixels(std::uint64_t first, std::int64_t n) const override {
    at::Tensor pixels =
        at::empty({n, dataset_.height(), dataset_.width(), dataset_.channels()}, at::kByte);
    const std::span<std::uint8_t> bytes(pixels.mutable_data_ptr<std::uint8_t>(),
                                        static_cast<std::size_t>(pixels.numel()));
    const std::uint64_t size = dataset_.image_bytes();
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(n); ++i)
      dataset_.read(indices_[first + i], bytes.subspan(i * size, size), true);
    return pixels;
  }
  [[nodiscard]] std::int64_t label(std::uint64_t i) const override {
    return dataset_.label(indices_[i]);
  }

 private:
  const Dataset& dataset_;
  std::span<const std::uint64_t> indices_;
};

bool has_metrics(std::int64_t images) { return images >= kMinImages; }

}  // namespace

ClassOfSeed classes_as_in(const std::shared_ptr<const Dataset>& dataset, std::uint64_t seed,
                          std::int64_t images, std::int64_t labels) {
  const auto data = std::make_shared<const DatasetSource>(dataset, seed, 0);
  for (std::int64_t i = 0; i < images; ++i) {
    const std::int64_t label = data->label(static_cast<std::uint64_t>(i));
    if (label < 0 || label >= labels) return {};
  }
  return [data](std::uint64_t i) { return data->label(i); };
}

ImagesByClass::ImagesByClass(std::shared_ptr<const Dataset> dataset, std::int64_t classes,
                             std::uint64_t seed)
    : dataset_(std::move(dataset)), chosen_(static_cast<std::size_t>(classes)) {
  const Order order(seed, dataset_->size(), OrderKind::kGlobal);
  for (std::uint64_t position = 0; position < dataset_->size(); ++position) {
    const std::uint64_t index = order.image_at(position);
    const std::int64_t label = dataset_->label(index);
    if (label >= 0 && label < classes) chosen_[static_cast<std::size_t>(label)].push_back(index);
  }
}

std::int64_t ImagesByClass::size(std::int64_t label) const {
  return static_cast<std::int64_t>(chosen_[static_cast<std::size_t>(label)].size());
}

std::unique_ptr<SampleSource> ImagesByClass::source(std::int64_t label, std::int64_t first) const {
  const std::span<const std::uint64_t> images = chosen_[static_cast<std::size_t>(label)];
  return std::make_unique<ImagesOfClass>(*dataset_,
                                         images.subspan(static_cast<std::size_t>(first)));
}

std::int64_t count_classes(const Dataset& dataset) {
  if (!dataset.class_names().empty())
    return static_cast<std::int64_t>(dataset.class_names().size());
  std::int64_t largest = -1;
  for (std::uint64_t i = 0; i < dataset.size(); ++i) largest = std::max(largest, dataset.label(i));
  return largest + 1;
}

std::vector<ClassMetrics> evaluate_classes(
    const Team& team, const ImagesByClass& data, std::int64_t count, std::uint64_t seed,
    const FeatureNetwork* network, const std::function<ClassSamples(std::int64_t label)>& samples) {
  const std::vector<std::string>& names = data.dataset().class_names();
  std::vector<ClassMetrics> classes;
  for (std::int64_t label = 0; label < data.classes(); ++label) {
    const auto at = static_cast<std::size_t>(label);
    const ClassSamples drawn = samples(label);
    std::int64_t images = std::min(count, data.size(label) / 2);
    if (drawn.images) images = std::min(images, *drawn.images);
    classes.push_back({label, at < names.size() ? names[at] : "", images, {}});
    if (!has_metrics(images)) continue;
    Evaluator evaluator(
        team, {data.source(label, 0), data.source(label, images), images, data.dataset().height()},
        seed, network);
    classes.back().metrics = evaluator.evaluate(*drawn.source);
  }
  return classes;
}

}  // namespace valley
