#include "sources/byte_rows.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

class FileBytes final : public ByteRange {
 public:
  explicit FileBytes(const fs::path& path)
      : file_(PositionedFile::open_to_read(path)), size_(file_.size()) {}
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> to) const override {
    file_.read_at(offset, to);
  }

 private:
  PositionedFile file_;
  std::uint64_t size_;
};

class MemoryBytes final : public ByteRange {
 public:
  explicit MemoryBytes(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> to) const override {
    VALLEY_CHECK(offset <= bytes_.size() && to.size() <= bytes_.size() - offset);
    std::memcpy(to.data(), bytes_.data() + offset, to.size());
  }

 private:
  std::string bytes_;
};

class GzipFile {
 public:
  explicit GzipFile(const fs::path& path) : file_(::gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr) throw file_error("opening", path.string(), errno, false);
    constexpr unsigned kBuffer = 1U << 18U;
    ::gzbuffer(file_, kBuffer);
  }
  ~GzipFile() { ::gzclose(file_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;
  [[nodiscard]] ::gzFile get() const { return file_; }

 private:
  ::gzFile file_;
};

}  // namespace

std::shared_ptr<const ByteRange> open_bytes(const fs::path& file) {
  return std::make_shared<FileBytes>(file);
}

std::shared_ptr<const ByteRange> bytes_in_memory(std::string bytes) {
  return std::make_shared<MemoryBytes>(std::move(bytes));
}

std::string text_of(const ByteRange& bytes) {
  std::string text(bytes.size(), '\0');
  bytes.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

bool is_gzip(std::string_view begin) { return begin.starts_with("\x1F\x8B"); }

std::string unpack_gzip(const fs::path& path) {
  constexpr std::size_t kBlock = std::size_t{1} << 20U;
  const GzipFile file(path);
  std::string bytes;
  while (true) {
    const std::size_t done = bytes.size();
    bytes.resize(done + kBlock);
    const int n = ::gzread(file.get(), bytes.data() + done, static_cast<unsigned>(kBlock));
    bytes.resize(done + static_cast<std::size_t>(std::max(0, n)));
    if (bytes.size() > kMaxUnpacked)
      throw Error(
          ExitCode::kData,
          "{} holds more than 1 GiB, which would have to be in memory; unpack it with gunzip "
          "and name the unpacked file",
          path.string());
    int code = Z_OK;
    const char* message = ::gzerror(file.get(), &code);
    if (n < 0 || (n == 0 && code != Z_OK))
      throw Error(code == Z_ERRNO ? ExitCode::kIo : ExitCode::kData,
                  "{}: the gzip file is damaged or truncated ({}); download or pack it again",
                  path.string(), message);
    if (n == 0) return bytes;
  }
}

StridedRows::StridedRows(std::vector<RowPart> parts, std::uint64_t stride)
    : parts_(std::move(parts)), stride_(stride) {
  std::uint64_t end = 0;
  for (const RowPart& part : parts_) ends_.push_back(end += part.count);
}

void StridedRows::read(std::uint64_t index, std::span<std::byte> to) const {
  const auto part =
      static_cast<std::size_t>(std::ranges::upper_bound(ends_, index) - ends_.begin());
  const std::uint64_t row = index - (part == 0 ? 0 : ends_[part - 1]);
  parts_[part].bytes->read(parts_[part].first + row * stride_, to);
}

}  // namespace valley
