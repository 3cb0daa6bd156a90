// Arrays of NumPy where they are: in a .npy file or in a member of a .npz file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sources/byte_rows.h"
#include "sources/numpy_files.h"

namespace valley {

// A header, and its values at an offset of a range of bytes.
struct NpyArray {
  NpyHeader header;
  std::shared_ptr<const ByteRange> bytes;
  std::uint64_t first = 0;
};

[[nodiscard]] bool holds_images(const NpyHeader& header);
// Whole numbers of 1 to 8 bytes, little-endian.
[[nodiscard]] bool is_label_type(std::string_view type);

// These three name the array in errors: kData if its values end early or have another type.
[[nodiscard]] ImageArrays images_of(NpyArray array, std::string kind, std::string name);
[[nodiscard]] std::vector<std::int64_t> labels_of(const NpyArray& array, const std::string& name);
// Of an array of type "<U12": code points of 32 bits, padded with zeros.
[[nodiscard]] std::vector<std::string> texts_of(const NpyArray& array, const std::string& name);

}  // namespace valley
