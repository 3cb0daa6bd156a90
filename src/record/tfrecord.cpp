#include "record/tfrecord.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/little_endian.h"

namespace valley {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kHeaderBytes = kLengthBytes + kChecksumBytes;

// The format rotates the checksum and adds a constant, because CRCs of data that contain CRCs are
// weak.
std::uint32_t masked_crc32c(std::string_view bytes) {
  constexpr std::uint32_t kMaskDelta = 0xA282EAD8U;
  const std::uint32_t crc = crc32c(as_bytes(bytes));
  return (crc >> 15U | crc << 17U) + kMaskDelta;
}

bool fits(std::string_view bytes, std::string_view checksum) {
  return little_endian(checksum) == masked_crc32c(bytes);
}

}  // namespace

std::string frame_record(std::string_view bytes) {
  std::string record;
  record.reserve(kHeaderBytes + bytes.size() + kChecksumBytes);
  append_little_endian(record, bytes.size(), kLengthBytes);
  append_little_endian(record, masked_crc32c(record), kChecksumBytes);
  record += bytes;
  append_little_endian(record, masked_crc32c(bytes), kChecksumBytes);
  return record;
}

RecordReader::RecordReader(std::filesystem::path path) : path_(std::move(path)) {
  errno = 0;
  file_.open(path_, std::ios::binary | std::ios::ate);
  if (!file_) throw file_error("opening", path_.string(), errno, false);
  size_ = static_cast<std::uint64_t>(file_.tellg());
  file_.seekg(0);
}

std::optional<std::string> RecordReader::read(std::uint64_t n) {
  std::string bytes(n, '\0');
  errno = 0;
  file_.read(bytes.data(), static_cast<std::streamsize>(n));
  if (file_.bad()) throw file_error("reading", path_.string(), errno != 0 ? errno : EIO, false);
  if (file_.gcount() != static_cast<std::streamsize>(n)) return std::nullopt;
  return bytes;
}

std::optional<std::string> RecordReader::next() {
  if (size_ - position_ < kHeaderBytes + kChecksumBytes) return std::nullopt;
  const auto header = read(kHeaderBytes);
  if (!header) return std::nullopt;
  const std::string_view length_bytes = std::string_view(*header).substr(0, kLengthBytes);
  if (!fits(length_bytes, std::string_view(*header).substr(kLengthBytes))) return std::nullopt;
  const std::uint64_t length = little_endian(length_bytes);
  if (length > size_ - position_ - kHeaderBytes - kChecksumBytes) return std::nullopt;
  auto bytes = read(length);
  const auto checksum = read(kChecksumBytes);
  if (!bytes || !checksum || !fits(*bytes, *checksum)) return std::nullopt;
  position_ += kHeaderBytes + length + kChecksumBytes;
  return bytes;
}

}  // namespace valley
