#include "data/storage.h"

#include <fmt/core.h>

#include <charconv>

#include "core/error.h"
#include "image/decode.h"

namespace valley {

std::string storage_name(const Storage& storage) {
  switch (storage.kind) {
    case StorageKind::kJpeg:
      return fmt::format("jpeg:{}", storage.quality);
    case StorageKind::kKeep:
      return "keep";
    case StorageKind::kRaw:
      break;
  }
  return "raw";
}

std::optional<Storage> find_storage(std::string_view name) {
  constexpr std::string_view kJpegPrefix = "jpeg:";
  if (name == "raw") return Storage{};
  if (name == "keep") return Storage{StorageKind::kKeep, 0};
  if (!name.starts_with(kJpegPrefix)) return std::nullopt;
  name.remove_prefix(kJpegPrefix.size());
  int quality = 0;
  const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), quality);
  if (status != std::errc() || end != name.data() + name.size() || quality < 1 || quality > 100)
    return std::nullopt;
  return Storage{StorageKind::kJpeg, quality};
}

Storage parse_storage(const std::string& name) {
  if (const std::optional<Storage> storage = find_storage(name)) return *storage;
  throw Error(ExitCode::kUsage,
              "--storage {}: must be raw, keep or jpeg:Q with a quality from 1 to 100, such as "
              "jpeg:95",
              name);
}

std::uint8_t codec_of(std::string_view record) {
  switch (format_of(record)) {
    case Format::kJpeg:
      return 1;
    case Format::kPng:
      return 2;
    case Format::kWebp:
      return 3;
    case Format::kUnknown:
      break;
  }
  return 0;
}

}  // namespace valley
