#include "data/fingerprint.h"

#include <array>
#include <cstddef>

namespace valley {
namespace {

template <typename Integer>
void append_little_endian(std::string& bytes, Integer value) {
  for (unsigned byte = 0; byte < sizeof value; ++byte)
    bytes += static_cast<char>(value >> (8U * byte) & 0xFFU);
}

}  // namespace

void Fingerprint::add(std::string_view name, std::int64_t label, std::uint32_t crc32c) {
  std::string record(name);
  record += '\0';
  append_little_endian(record, static_cast<std::uint64_t>(label));
  append_little_endian(record, crc32c);
  sha_.update(as_bytes(record));
}

void Fingerprint::add(const ShardRows& rows) {
  for (std::uint64_t row = 0; row < rows.size(); ++row)
    add(rows.names[row], rows.labels[row], rows.crc32c[row]);
}

}  // namespace valley
