// Arrays of bytes in NumPy's .npy and .npz files: [n, H, W], [n, H, W, C] or [n, C, H, W] uint8.
//
// Arrays that an .npz stores without compression are read at their offsets; compressed ones (of
// numpy.savez_compressed) are unpacked into memory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sources/array_source.h"

namespace valley {

// Header of an .npy file.
struct NpyHeader {
  std::string type;         // "|u1", "<i8"
  bool is_fortran = false;  // columns first
  std::vector<std::uint64_t> shape;
  std::uint64_t header_bytes = 0;  // offset of the values
};
inline constexpr std::size_t kMaxNpyHeader = std::size_t{64} << 10U;
[[nodiscard]] bool is_npy(std::string_view begin);
// `begin`: the first bytes of a file, at most kMaxNpyHeader; `name`: for messages. Error kData.
[[nodiscard]] NpyHeader parse_npy_header(std::string_view begin, const std::string& name);

// Shape of the images in an array of this shape, or nothing: the last dimension is that of the
// channels if it is 1 or 3, else the second.
[[nodiscard]] std::optional<ArrayShape> image_shape(const std::vector<std::uint64_t>& shape);

// Errors: kMissingInput; kData for other types and shapes, and damaged files.
[[nodiscard]] ImageArrays open_npy(const std::filesystem::path& file);

// True for a zip file whose members are all .npy.
[[nodiscard]] bool is_npz(const std::filesystem::path& file);
// The images of `array` or, without it, of the only array that can hold images; labels from the
// only array of n whole numbers, or that of the name with "labels" for "images" or "y" for "x";
// names of images and classes from the arrays of texts "names" and "class_names".
// Error kData listing the arrays if that is not one.
[[nodiscard]] ImageArrays open_npz(const std::filesystem::path& file,
                                   const std::optional<std::string>& array);

}  // namespace valley
