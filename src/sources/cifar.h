// The binary version of CIFAR-10 and CIFAR-100: a folder of .bin files or the tar.gz that holds it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sources/array_source.h"

namespace valley {

enum class CifarPart { kTrain, kTest, kAll };

// True if these are the names of the files of a CIFAR folder or archive, in any version.
[[nodiscard]] bool are_cifar_names(const std::vector<std::string>& names);

// CIFAR-100's label is the fine class. Errors: kData for the pickle version, naming the binary one,
// for missing files, and for files that are not a whole number of records.
[[nodiscard]] ImageArrays open_cifar_folder(const std::filesystem::path& folder, CifarPart part);
[[nodiscard]] ImageArrays open_cifar_archive(const std::filesystem::path& archive, CifarPart part);

}  // namespace valley
