#include "tools/zip_writer.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>

#include "core/error.h"
#include "core/little_endian.h"

namespace valley {
namespace {

// APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
constexpr std::uint32_t kHeaderSignature = 0x04034B50;
constexpr std::uint32_t kDescriptorSignature = 0x08074B50;
constexpr std::uint32_t kEntrySignature = 0x02014B50;
constexpr std::uint32_t kEnd64Signature = 0x06064B50;
constexpr std::uint32_t kLocatorSignature = 0x07064B50;
constexpr std::uint32_t kEndSignature = 0x06054B50;
constexpr std::uint16_t kVersion = 20;
constexpr std::uint16_t kVersion64 = 45;
constexpr std::uint16_t kUnix = 3U << 8U;
constexpr std::uint16_t kUtf8 = 1U << 11U;
constexpr std::uint16_t kHasDescriptor = 1U << 3U;
constexpr std::uint16_t kFirstDay = 1U << 5U | 1U;  // 1980-01-01
constexpr std::uint16_t kExtra64 = 1;
constexpr std::uint64_t kMax32 = 0xFFFFFFFF;  // means that the value is in the extra field
constexpr std::uint64_t kMax16 = 0xFFFF;
constexpr std::uint32_t kRegularFile = 0100644U << 16U;

// Little-endian values one after the other.
class ZipRecord {
 public:
  ZipRecord& u16(std::uint64_t value) { return add(value, 2); }
  ZipRecord& u32(std::uint64_t value) { return add(value, 4); }
  ZipRecord& u64(std::uint64_t value) { return add(value, 8); }
  ZipRecord& text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  ZipRecord& add(std::uint64_t value, std::size_t count) {
    append_little_endian(bytes_, value, count);
    return *this;
  }
  std::string bytes_;
};

std::uint32_t crc32_of(Bytes bytes, std::uint32_t crc) {
  return static_cast<std::uint32_t>(
      ::crc32_z(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

bool is_large(std::uint64_t value) { return value >= kMax32; }

}  // namespace

void ZipWriter::put(std::string_view bytes) {
  file_.write(bytes);
  offset_ += bytes.size();
}

// The checksum of a member in pieces follows its contents.
void ZipWriter::put_header(const Member& member) {
  const bool is_64 = is_large(member.bytes);
  const std::uint64_t shown = is_64 ? kMax32 : member.in_pieces ? 0 : member.bytes;
  ZipRecord record;
  record.u32(kHeaderSignature).u16(is_64 ? kVersion64 : kVersion);
  record.u16(kUtf8 | (member.in_pieces ? kHasDescriptor : 0)).u16(0).u16(0).u16(kFirstDay);
  record.u32(member.crc).u32(shown).u32(shown).u16(member.path.size()).u16(is_64 ? 20 : 0);
  record.text(member.path);
  if (is_64) record.u16(kExtra64).u16(16).u64(member.bytes).u64(member.bytes);
  put(record.bytes());
}

void ZipWriter::add(std::string_view path, std::string_view content) {
  members_.push_back({std::string(path), content.size(), offset_, crc32_of(as_bytes(content), 0)});
  put_header(members_.back());
  put(content);
}

void ZipWriter::begin(std::string_view path, std::uint64_t bytes) {
  members_.push_back({std::string(path), bytes, offset_, 0, true});
  put_header(members_.back());
  missing_ = bytes;
}

void ZipWriter::write(Bytes piece) {
  VALLEY_CHECK(piece.size() <= missing_);
  file_.write(piece);
  members_.back().crc = crc32_of(piece, members_.back().crc);
  offset_ += piece.size();
  missing_ -= piece.size();
}

void ZipWriter::end() {
  VALLEY_CHECK(missing_ == 0);
  const Member& member = members_.back();
  ZipRecord record;
  record.u32(kDescriptorSignature).u32(member.crc);
  if (is_large(member.bytes)) {
    record.u64(member.bytes).u64(member.bytes);
  } else {
    record.u32(member.bytes).u32(member.bytes);
  }
  put(record.bytes());
}

void ZipWriter::put_entry(const Member& member) {
  ZipRecord extra;
  if (is_large(member.bytes)) extra.u64(member.bytes).u64(member.bytes);
  if (is_large(member.offset)) extra.u64(member.offset);
  const bool is_64 = !extra.bytes().empty();
  const std::uint64_t shown = std::min(member.bytes, kMax32);
  ZipRecord record;
  record.u32(kEntrySignature).u16(kUnix | kVersion64).u16(is_64 ? kVersion64 : kVersion);
  record.u16(kUtf8 | (member.in_pieces ? kHasDescriptor : 0)).u16(0).u16(0).u16(kFirstDay);
  record.u32(member.crc).u32(shown).u32(shown).u16(member.path.size());
  record.u16(is_64 ? extra.bytes().size() + 4 : 0).u16(0).u16(0).u16(0).u32(kRegularFile);
  record.u32(std::min(member.offset, kMax32)).text(member.path);
  if (is_64) record.u16(kExtra64).u16(extra.bytes().size()).text(extra.bytes());
  put(record.bytes());
}

void ZipWriter::put_end(std::uint64_t directory) {
  const std::uint64_t count = members_.size();
  const std::uint64_t bytes = offset_ - directory;
  ZipRecord record;
  if (count >= kMax16 || is_large(bytes) || is_large(directory)) {
    const std::uint64_t end64 = offset_;
    record.u32(kEnd64Signature).u64(44).u16(kUnix | kVersion64).u16(kVersion64).u32(0).u32(0);
    record.u64(count).u64(count).u64(bytes).u64(directory);
    record.u32(kLocatorSignature).u32(0).u64(end64).u32(1);
  }
  record.u32(kEndSignature).u16(0).u16(0).u16(std::min(count, kMax16)).u16(std::min(count, kMax16));
  record.u32(std::min(bytes, kMax32)).u32(std::min(directory, kMax32)).u16(0);
  put(record.bytes());
}

std::uint64_t ZipWriter::commit() {
  const std::uint64_t directory = offset_;
  for (const Member& member : members_) put_entry(member);
  put_end(directory);
  file_.commit();
  return offset_;
}

}  // namespace valley
