// The kind of a source of images, found by its content.
#pragma once

#include <string>

namespace valley {

enum class SourceKind {
  kFolder,
  kCifarFolder,
  kLmdb,
  kZip,
  kNpz,
  kTar,  // also compressed, webdataset, and several by braces
  kCifarArchive,
  kIdx,  // also gzip
  kNpy,
  kHdf5,
  kFont,
};

// Errors: kMissingInput for a path that does not exist and is not the name of a font; kData for a
// damaged archive, and for a file of none of these kinds (SourceKind::kFont is returned for a
// file that only FreeType can judge).
[[nodiscard]] SourceKind kind_of_source(const std::string& source);

// "a zip file": for messages.
[[nodiscard]] std::string describe(SourceKind kind);

}  // namespace valley
