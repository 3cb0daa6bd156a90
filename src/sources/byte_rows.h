// Rows of equal size in a file or in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/positioned_file.h"
#include "sources/array_source.h"

namespace valley {

// Bytes that can be read at any offset, by any thread.
class ByteRange {
 public:
  virtual ~ByteRange() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  virtual void read(std::uint64_t offset, std::span<std::byte> to) const = 0;
};
[[nodiscard]] std::shared_ptr<const ByteRange> open_bytes(const std::filesystem::path& file);
[[nodiscard]] std::shared_ptr<const ByteRange> bytes_in_memory(std::string bytes);

// The whole range as text.
[[nodiscard]] std::string text_of(const ByteRange& bytes);

// Limit of files that have to be unpacked into memory, because a compressed stream cannot be read
// at an offset.
inline constexpr std::uint64_t kMaxUnpacked = std::uint64_t{1} << 30U;

// The contents of a gzip file, unpacked into memory. Errors: kData for damaged or truncated files,
// and for more than kMaxUnpacked bytes, naming gunzip.
[[nodiscard]] std::string unpack_gzip(const std::filesystem::path& file);
[[nodiscard]] bool is_gzip(std::string_view begin);

// Rows that begin at `first` and are `stride` bytes apart, in one range after the other.
struct RowPart {
  std::shared_ptr<const ByteRange> bytes;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
class StridedRows final : public ImageRows {
 public:
  StridedRows(std::vector<RowPart> parts, std::uint64_t stride);
  [[nodiscard]] std::uint64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  void read(std::uint64_t index, std::span<std::byte> to) const override;

 private:
  std::vector<RowPart> parts_;
  std::vector<std::uint64_t> ends_;  // rows up to the end of each part
  std::uint64_t stride_;
};

}  // namespace valley
