// Stored form of the images of a data set: pixels, or encoded files that are decoded when they are
// read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "image/decode_options.h"
#include "image/fit.h"

namespace valley {

enum class StorageKind {
  kRaw,   // pixels
  kJpeg,  // the fitted image as JPEG
  kKeep,  // the file of the source, unchanged: decoded and fitted by each reader
};

struct Storage {
  StorageKind kind = StorageKind::kRaw;
  int quality = 0;  // of kJpeg, 1 to 100

  [[nodiscard]] bool is_encoded() const { return kind != StorageKind::kRaw; }
  friend bool operator==(const Storage&, const Storage&) = default;
};

[[nodiscard]] std::string storage_name(const Storage& storage);  // "raw", "jpeg:95", "keep"
[[nodiscard]] std::optional<Storage> find_storage(std::string_view name);
[[nodiscard]] Storage parse_storage(const std::string& name);  // kUsage for an unknown one

// Conversion of the records of a data set to pixels. Only kKeep uses `files` and all of `target`.
struct RecordForm {
  Storage storage{};
  Target target{};
  FileDecoding files{};
  friend bool operator==(const RecordForm&, const RecordForm&) = default;
};

// Shape of the images that a build makes, and how it stores them.
struct ImageForm {
  Target target;
  Storage storage;
  // The encoded files of the source are stored as they are, as always with kKeep. Otherwise kJpeg
  // encodes the fitted pixels.
  bool copies_records = false;
};

// Number of a record's format in /encoded/codec: 1 JPEG, 2 PNG, 3 WebP, 0 another one.
[[nodiscard]] std::uint8_t codec_of(std::string_view record);

}  // namespace valley
