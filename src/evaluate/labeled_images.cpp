#include "evaluate/labeled_images.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"
#include "core/hash.h"
#include "data/dataset.h"
#include "data/manifest.h"
#include "data/order.h"
#include "evaluate/class_map.h"
#include "evaluate/image_files.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

using Images = std::shared_ptr<const LabeledImages>;

class ShardImages final : public LabeledImages {
 public:
  explicit ShardImages(std::unique_ptr<Dataset> dataset)
      : dataset_(std::move(dataset)),
        shape_{dataset_->height(), dataset_->width(), dataset_->channels()} {}
  [[nodiscard]] std::uint64_t size() const override { return dataset_->size(); }
  [[nodiscard]] const ImageShape& shape() const override { return shape_; }
  [[nodiscard]] std::string name(std::uint64_t i) const override { return dataset_->name(i); }
  [[nodiscard]] std::int64_t label(std::uint64_t i) const override { return dataset_->label(i); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return dataset_->class_names();
  }
  [[nodiscard]] std::string fingerprint() const override { return dataset_->fingerprint(); }
  void read(std::uint64_t i, std::span<std::uint8_t> pixels) const override {
    dataset_->read(i, pixels, true);
  }

 private:
  std::unique_ptr<Dataset> dataset_;
  ImageShape shape_;
};

// Several inputs in a row.
class JoinedImages final : public LabeledImages {
 public:
  JoinedImages(std::vector<Images> parts, const std::vector<std::string>& sources);
  [[nodiscard]] std::uint64_t size() const override { return ends_.back(); }
  [[nodiscard]] const ImageShape& shape() const override { return parts_.front()->shape(); }
  [[nodiscard]] std::string name(std::uint64_t i) const override {
    const Place at = find(i);
    return parts_[at.part]->name(at.image);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t i) const override;
  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return class_names_;
  }
  [[nodiscard]] std::string fingerprint() const override;
  void read(std::uint64_t i, std::span<std::uint8_t> pixels) const override {
    const Place at = find(i);
    parts_[at.part]->read(at.image, pixels);
  }

 private:
  struct Place {
    std::size_t part;
    std::uint64_t image;  // index within the part
  };
  [[nodiscard]] Place find(std::uint64_t i) const;

  std::vector<Images> parts_;
  std::vector<std::uint64_t> ends_;  // per part
  std::vector<std::vector<std::int64_t>>
      global_classes_;  // per part and class: class in the whole list
  std::vector<std::string> class_names_;
};

bool has_labels(const LabeledImages& images) {
  for (std::uint64_t i = 0; i < images.size(); ++i) {
    if (images.label(i) >= 0) return true;
  }
  return false;
}

// Images without labels, such as single files, do not affect the classes.
JoinedImages::JoinedImages(std::vector<Images> parts, const std::vector<std::string>& sources)
    : parts_(std::move(parts)), global_classes_(parts_.size()) {
  std::uint64_t end = 0;
  std::vector<ClassNames> names;
  std::vector<std::string> named_sources;
  std::vector<std::size_t> named;
  std::vector<std::size_t> numbered;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    ends_.push_back(end += parts_[i]->size());
    if (!parts_[i]->class_names().empty()) {
      names.push_back(parts_[i]->class_names());
      named_sources.push_back(sources[i]);
      named.push_back(i);
    } else if (has_labels(*parts_[i])) {
      numbered.push_back(i);
    }
  }
  if (names.empty()) return;
  JoinedClasses joined = join_classes(names, named_sources);
  class_names_ = std::move(joined.names);
  // Labels without names are indices of the other inputs' names, if those lists are all equal.
  if (!numbered.empty() &&
      std::ranges::any_of(names, [&](const ClassNames& n) { return n != class_names_; })) {
    throw Error(ExitCode::kData,
                "the labels of {} are indices without class names, and the other inputs have "
                "different lists of class names; run the command per input, or add class_names",
                sources[numbered.front()]);
  }
  for (std::size_t i = 0; i < named.size(); ++i)
    global_classes_[named[i]] = std::move(joined.indices[i]);
}

JoinedImages::Place JoinedImages::find(std::uint64_t i) const {
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), i);
  VALLEY_CHECK(end != ends_.end());
  const auto part = static_cast<std::size_t>(std::distance(ends_.begin(), end));
  return {part, i - (part == 0 ? 0 : ends_[part - 1])};
}

std::int64_t JoinedImages::label(std::uint64_t i) const {
  const Place at = find(i);
  const std::int64_t label = parts_[at.part]->label(at.image);
  const std::vector<std::int64_t>& global = global_classes_[at.part];
  const auto index = static_cast<std::size_t>(label);
  return label >= 0 && index < global.size() ? global[index] : label;
}

std::string JoinedImages::fingerprint() const {
  std::string all;
  for (const Images& part : parts_) all += part->fingerprint() + "\n";
  return sha256_hex(as_bytes(all));
}

class ChosenImages final : public LabeledImages {
 public:
  ChosenImages(Images images, std::vector<std::uint64_t> chosen)
      : images_(std::move(images)), chosen_(std::move(chosen)) {}
  [[nodiscard]] std::uint64_t size() const override { return chosen_.size(); }
  [[nodiscard]] const ImageShape& shape() const override { return images_->shape(); }
  [[nodiscard]] std::uint64_t index(std::uint64_t i) const override {
    return images_->index(chosen_.at(i));
  }
  [[nodiscard]] std::string name(std::uint64_t i) const override {
    return images_->name(chosen_.at(i));
  }
  [[nodiscard]] std::int64_t label(std::uint64_t i) const override {
    return images_->label(chosen_.at(i));
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return images_->class_names();
  }
  [[nodiscard]] std::string fingerprint() const override {
    Sha256 hash;
    hash.update(as_bytes(images_->fingerprint()));
    for (const std::uint64_t image : chosen_) hash.update(as_bytes(fmt::format("\n{}", image)));
    return hash.hex();
  }
  void read(std::uint64_t i, std::span<std::uint8_t> pixels) const override {
    images_->read(chosen_.at(i), pixels);
  }

 private:
  Images images_;
  std::vector<std::uint64_t> chosen_;
};

Images open_shards(const std::string& directory, const ImageShape& shape,
                   const std::string& model) {
  auto images = std::make_shared<ShardImages>(Dataset::open(directory));
  if (images->shape() != shape) {
    throw Error(ExitCode::kUsage,
                "the images of {} are {}, but the model of {} takes {}; build shards with "
                "--resolution {} --channels {}, or name the image files themselves",
                directory, images->shape().text(), model, shape.text(), shape.width,
                shape.channels);
  }
  if (images->size() == 0) throw Error(ExitCode::kData, "{} holds no image", directory);
  return images;
}

}  // namespace

std::string ImageShape::text() const { return fmt::format("{}x{}x{}", width, height, channels); }

ImageShape image_shape(const ModelOptions& options) {
  return {options.resolution, options.resolution, options.channels};
}

at::Tensor LabeledImages::pixels(std::uint64_t first, std::int64_t n) const {
  const ImageShape& s = shape();
  at::Tensor all = at::empty({n, s.height, s.width, s.channels}, at::kByte);
  const std::span<std::uint8_t> bytes(all.mutable_data_ptr<std::uint8_t>(),
                                      static_cast<std::size_t>(all.numel()));
  const auto size = static_cast<std::size_t>(s.height * s.width * s.channels);
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(n); ++i)
    read(first + i, bytes.subspan(i * size, size));
  return all;
}

Images open_images(const std::vector<std::string>& inputs, const ImageShape& shape,
                   const std::string& model) {
  std::vector<Images> parts;
  std::vector<std::string> sources;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    sources.push_back(inputs[i]);
    if (holds_dataset(inputs[i])) {
      parts.push_back(open_shards(inputs[i], shape, model));
    } else if (is_folder(inputs[i])) {
      parts.push_back(open_image_folder(inputs[i], inputs.size() > 1, shape));
    } else {
      std::vector<std::string> files = {inputs[i]};
      while (i + 1 < inputs.size() && !is_folder(inputs[i + 1])) files.push_back(inputs[++i]);
      parts.push_back(open_image_files(files, shape));
    }
  }
  VALLEY_CHECK(!parts.empty());
  return parts.size() == 1 ? parts.front()
                           : std::make_shared<JoinedImages>(std::move(parts), sources);
}

Images choose_images(Images images, std::uint64_t count, std::optional<std::uint64_t> seed) {
  const std::uint64_t n = images->size();
  if (count >= n) return images;
  std::vector<std::uint64_t> chosen(count);
  std::iota(chosen.begin(), chosen.end(), std::uint64_t{0});
  if (seed) {
    const FeistelPermutation drawn(n, hash64(*seed, hash64("choose_images"), n));
    for (std::uint64_t& image : chosen) image = drawn(image);
    std::sort(chosen.begin(), chosen.end());
  }
  return std::make_shared<ChosenImages>(std::move(images), std::move(chosen));
}

}  // namespace valley
