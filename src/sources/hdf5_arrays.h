// Images in HDF5 files of other programs: one dataset of uint8 [n, H, W], [n, H, W, C] or
// [n, C, H, W], such as `imgs` of BigGAN-PyTorch and StudioGAN, with labels in another.
//
// Contiguous datasets are read at their offset; chunked ones through HDF5, one thread at a time.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "sources/array_source.h"

namespace valley {

[[nodiscard]] bool is_hdf5(std::string_view begin);

// The images of `dataset` or, without it, of the only dataset that can hold images; labels from the
// only dataset of n whole numbers, or `labels` in the same group. Error kData listing the datasets
// if that is not one, and for damaged files.
[[nodiscard]] ImageArrays open_hdf5(const std::filesystem::path& file,
                                    const std::optional<std::string>& dataset);

}  // namespace valley
