// Arrays of equal images of bytes (MNIST, CIFAR, NumPy, HDF5 of other programs) as a source.
//
// Images without names are named by their index, "00000012.png".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/image_source.h"

namespace valley {

// Shape and layout of one image; values are bytes.
struct ArrayShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 1;   // 1 or 3
  bool is_planar = false;      // [C, H, W] instead of [H, W, C]
  bool is_transposed = false;  // [W, H], as EMNIST stores its images of one channel
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(height * width * channels);
  }
};

// The images as rows of bytes. Any thread may call.
class ImageRows {
 public:
  virtual ~ImageRows() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // Fills `to`, of ArrayShape::bytes. Error kIo if storage fails, kData if the file has changed.
  virtual void read(std::uint64_t index, std::span<std::byte> to) const = 0;
};

struct ImageArrays {
  std::string kind;  // for the identity: "idx", "cifar", "npy", "npz", "hdf5"
  std::string name;  // of the file and the array, for messages
  ArrayShape shape;
  std::unique_ptr<ImageRows> rows;
  std::vector<std::int64_t> labels{};  // of each image, -1: none; or empty
  std::vector<std::string> names{};    // of each image, unique; or empty
  std::vector<std::string> class_names;
  std::vector<std::string> notes;  // for the user
};

class ArraySource final : public ImageSource {
 public:
  // Error kData for sides over 65,535 pixels, channels other than 1 or 3, and labels of another
  // number or below -1. Without `with_labels` labels are ignored.
  ArraySource(ImageArrays arrays, bool with_labels);

  [[nodiscard]] std::uint64_t size() const override { return arrays_.rows->size(); }
  [[nodiscard]] std::string name(std::uint64_t index) const override;
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override;
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return arrays_.class_names;
  }
  [[nodiscard]] std::string identity_json() const override;
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override;

  [[nodiscard]] const std::vector<std::string>& notes() const { return arrays_.notes; }

 private:
  ImageArrays arrays_;
};

}  // namespace valley
