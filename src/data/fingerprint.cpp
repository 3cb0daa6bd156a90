#include "data/fingerprint.h"

#include "core/little_endian.h"

namespace valley {
void Fingerprint::add(std::string_view name, std::int64_t label, std::uint32_t crc32c) {
  std::string record(name);
  record += '\0';
  append_little_endian(record, static_cast<std::uint64_t>(label), sizeof(label));
  append_little_endian(record, crc32c, sizeof(crc32c));
  sha_.update(as_bytes(record));
}

void Fingerprint::add(const ShardRows& rows) {
  for (std::uint64_t row = 0; row < rows.size(); ++row)
    add(rows.names[row], rows.labels[row], rows.crc32c[row]);
}

}  // namespace valley
