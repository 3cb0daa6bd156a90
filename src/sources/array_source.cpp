#include "sources/array_source.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/json_text.h"

namespace valley {
namespace {

constexpr std::int64_t kMaxSide = 65535;

class ArrayReader final : public ImageReader {
 public:
  ArrayReader(const ImageRows& rows, const ArrayShape& shape)
      : rows_(rows), shape_(shape), bytes_(shape.bytes()) {}
  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t index) override {
    if (shape_.is_transposed) return transposed(index);
    Image image(shape_.height, shape_.width, shape_.channels);
    if (!shape_.is_planar || shape_.channels == 1) {
      rows_.read(index, std::as_writable_bytes(std::span(image.pixels)));
      return image;
    }
    rows_.read(index, bytes_);
    const auto pixels = static_cast<std::size_t>(shape_.height * shape_.width);
    const auto channels = static_cast<std::size_t>(shape_.channels);
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < pixels; ++p)
        image.pixels[p * channels + c] = static_cast<std::uint8_t>(bytes_[c * pixels + p]);
    return image;
  }

 private:
  [[nodiscard]] Image transposed(std::uint64_t index) {
    Image image(shape_.height, shape_.width, 1);
    rows_.read(index, bytes_);
    std::size_t at = 0;
    for (std::int64_t x = 0; x < shape_.width; ++x)
      for (std::int64_t y = 0; y < shape_.height; ++y)
        image.row(y)[x] = static_cast<std::uint8_t>(bytes_[at++]);
    return image;
  }

  const ImageRows& rows_;
  ArrayShape shape_;
  std::vector<std::byte> bytes_;
};

}  // namespace

ArraySource::ArraySource(ImageArrays arrays, bool with_labels) : arrays_(std::move(arrays)) {
  const ArrayShape& s = arrays_.shape;
  if (s.height < 1 || s.width < 1 || s.height > kMaxSide || s.width > kMaxSide ||
      (s.channels != 1 && s.channels != 3))
    throw Error(ExitCode::kData,
                "{} holds images of {}x{} with {} channels; sides go from 1 to {}, and images have "
                "1 or 3 channels",
                arrays_.name, s.width, s.height, s.channels, kMaxSide);
  if (s.is_transposed && s.channels != 1)
    throw Error(ExitCode::kUsage, "--transpose is for images of one channel; those of {} have {}",
                arrays_.name, s.channels);
  if (!with_labels) {
    arrays_.labels.clear();
    arrays_.class_names.clear();
  }
  if (!arrays_.labels.empty() && arrays_.labels.size() != arrays_.rows->size())
    throw Error(ExitCode::kData, "{}: {} labels for {} images; --labels none ignores them",
                arrays_.name, arrays_.labels.size(), arrays_.rows->size());
  for (const std::int64_t label : arrays_.labels)
    if (label < -1 || label > INT32_MAX)
      throw Error(ExitCode::kData,
                  "{}: the label {} is neither a class from 0 to 2147483647 nor -1 for none; "
                  "--labels none ignores labels",
                  arrays_.name, label);
}

std::string ArraySource::name(std::uint64_t index) const {
  return arrays_.names.empty() ? fmt::format("{:08}.png", index) : arrays_.names[index];
}

std::int64_t ArraySource::label(std::uint64_t index) const {
  return arrays_.labels.empty() ? -1 : arrays_.labels[index];
}

std::string ArraySource::identity_json() const {
  Sha256 labels;
  for (const std::int64_t label : arrays_.labels)
    labels.update(as_bytes(fmt::format("{}\n", label)));
  const ArrayShape& s = arrays_.shape;
  nlohmann::ordered_json identity{{"kind", arrays_.kind},
                                  {"images", size()},
                                  {"height", s.height},
                                  {"width", s.width},
                                  {"channels", s.channels},
                                  {"planar", s.is_planar},
                                  {"sha256_of_labels", labels.hex()}};
  if (s.is_transposed) identity["transposed"] = true;
  if (!arrays_.names.empty()) {
    Sha256 names;
    for (const std::string& name : arrays_.names) names.update(as_bytes(name + "\n"));
    identity["sha256_of_names"] = names.hex();
  }
  return write_json(identity);
}

std::unique_ptr<ImageReader> ArraySource::open_reader() const {
  return std::make_unique<ArrayReader>(*arrays_.rows, arrays_.shape);
}

}  // namespace valley
