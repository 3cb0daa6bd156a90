// Fingerprint of a data set's content and order, independent of the sharding: SHA-256
// over, for each image in order, its name, a NUL byte, its label (int64) and the CRC32C of its
// pixels (uint32), both little-endian.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/hash.h"
#include "data/shard_file.h"

namespace valley {

class Fingerprint {
 public:
  void add(std::string_view name, std::int64_t label, std::uint32_t crc32c);
  void add(const ShardRows& rows);
  [[nodiscard]] std::string hex() { return sha_.hex(); }  // final; no `add` afterwards

 private:
  Sha256 sha_;
};

}  // namespace valley
