// Reads everything that a collection or an array lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "sources/array_source.h"
#include "sources/file_collection.h"
#include "sources/labels.h"

namespace valley::fuzz {

inline void read_all(const FileCollection& files) {
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  static_cast<void>(find_labels(files, {LabelKind::kAuto}));
  const std::unique_ptr<FileReader> reader = files.open_reader();
  std::string content;
  for (std::size_t i = 0; i < files.entries().size(); ++i) {
    const FileEntry& entry = files.entries()[i];
    // The build limits the size of a file before it reads it (DecodeLimits).
    if (entry.reject || entry.bytes > kMaxBytes) continue;
    if (!reader->read(i, content)) VALLEY_CHECK(content.size() == entry.bytes);
  }
}

inline void read_all(ImageArrays arrays) {
  constexpr std::uint64_t kMaxImages = 8;
  if (arrays.shape.bytes() > (std::size_t{1} << 24U)) return;
  const ArraySource source(std::move(arrays), true);
  const std::unique_ptr<ImageReader> reader = source.open_reader();
  for (std::uint64_t i = 0; i < source.size() && i < kMaxImages; ++i)
    static_cast<void>(reader->load(i));
}

}  // namespace valley::fuzz
