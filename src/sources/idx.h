// MNIST's idx files of bytes, plain or compressed by gzip: images [n, height, width] with the
// labels [n] of the file beside them.
#pragma once

#include <filesystem>
#include <string_view>

#include "sources/array_source.h"

namespace valley {

// True for the first bytes of an idx file of images.
[[nodiscard]] bool is_idx(std::string_view begin);

// Labels come from the file whose name has "labels" for "images" and "idx1" for "idx3", with or
// without ".gz"; without that file there are none, and a note says so. Errors: kMissingInput; kData
// for files that are damaged or of another length than their header says.
[[nodiscard]] ImageArrays open_idx(const std::filesystem::path& images);

}  // namespace valley
