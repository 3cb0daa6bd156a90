// Source of the images of a data set. src/sources has a class per kind of source.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "image/decode_options.h"
#include "image/image.h"

namespace valley {

// Reason why an image cannot be used. `reason` is one of a few short texts, for counting.
struct Reject {
  std::string reason;
  std::string detail;
};

// Decodes images; one object per thread, because decoders have state.
class ImageReader {
 public:
  virtual ~ImageReader() = default;
  // Returns the image without alpha, in its own channels and size.
  [[nodiscard]] virtual std::variant<Image, Reject> load(std::uint64_t index) = 0;
  // The encoded file of the image of the last load; empty if the source has none. Valid until
  // done() or the next load.
  [[nodiscard]] virtual std::string_view encoded() const { return {}; }
  // Call once the image of the last load is no longer in memory.
  virtual void done() {}
};

// The order in which a build reads candidates: at(position) for positions [first, end).
struct ReadingOrder {
  std::function<std::uint64_t(std::uint64_t)> at;
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};

// The list of candidates, in a fixed order that does not depend on the host. Any thread may call.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  [[nodiscard]] virtual std::string name(std::uint64_t index) const = 0;    // unique, UTF-8
  [[nodiscard]] virtual std::int64_t label(std::uint64_t index) const = 0;  // -1: none
  [[nodiscard]] virtual std::vector<std::string> class_names() const = 0;
  // Names of the values of each image's label vector; empty if images have none.
  [[nodiscard]] virtual std::vector<std::string> label_vector_names() const { return {}; }
  // As many values as there are names.
  [[nodiscard]] virtual std::vector<float> label_vector(std::uint64_t /*index*/) const {
    return {};
  }
  // Height and width, in pixels, to record as those of the source, if they are not the sizes of the
  // image that a reader returns.
  [[nodiscard]] virtual std::optional<std::array<std::uint32_t, 2>> orig_size(
      std::uint64_t /*index*/) const {
    return std::nullopt;
  }
  // Everything that the images depend on, as a JSON object: kind, content hash, options; no path.
  [[nodiscard]] virtual std::string identity_json() const = 0;
  [[nodiscard]] virtual std::unique_ptr<ImageReader> open_reader() const = 0;
  // Options by which loads decode the files that ImageReader::encoded() returns; nullopt for a
  // source whose images are not encoded files.
  [[nodiscard]] virtual std::optional<FileDecoding> decoding() const { return std::nullopt; }
  // Called once before the readers, whose loads then come in nearly this order. Sources that can
  // only be read from their beginning plan their passes by it.
  virtual void expect_order(const ReadingOrder& /*order*/) const {}
  // A line per candidate, "ATTRIBUTES\tNAME", to report which of them changed between a build and
  // its resume; may be empty.
  [[nodiscard]] virtual std::string listing() const { return {}; }
};

}  // namespace valley
