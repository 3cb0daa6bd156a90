#include "data/positioned_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/file_system.h"
#include "core/log.h"
#include "core/progress_count.h"

namespace valley {
namespace {

constexpr std::size_t kReadPiece = std::size_t{1} << 20U;

bool may_pass(int error_number) {
  return error_number == EIO || error_number == ESTALE || error_number == ETIMEDOUT;
}

// Sum of the pauses.
double seconds_of_retries(std::chrono::milliseconds first_pause) {
  return std::chrono::duration<double>(first_pause).count() * ((1 << PositionedFile::kRetries) - 1);
}

using Sink = std::function<void(Bytes piece, bool is_outside)>;

void stream(const PositionedFile& file, std::uint64_t begin, std::uint64_t end, bool is_outside,
            const Sink& sink) {
  std::vector<std::byte> piece(std::min<std::uint64_t>(kReadPiece, end - begin));
  while (begin < end) {
    const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kReadPiece, end - begin));
    file.read_at(begin, std::span(piece.data(), bytes));
    sink(Bytes(piece.data(), bytes), is_outside);
    begin += bytes;
  }
}

// False also where the file system cannot tell.
bool is_cached(int descriptor, std::uint64_t offset) {
  std::byte byte{};
  ::iovec to{&byte, 1};
  return ::preadv2(descriptor, &to, 1, static_cast<::off_t>(offset), RWF_NOWAIT) == 1;
}

}  // namespace

PositionedFile::PositionedFile(std::filesystem::path path, int descriptor, Pread pread,
                               std::chrono::milliseconds first_pause)
    : path_(std::move(path)),
      descriptor_(descriptor),
      pread_(pread),
      first_pause_(first_pause),
      has_warned_(std::make_unique<std::atomic<bool>>(false)) {}

PositionedFile PositionedFile::open_to_read(const std::filesystem::path& path, Pread pread,
                                            std::chrono::milliseconds first_pause) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw file_error("opening", path.string(), errno, false);
  return {path, descriptor, pread != nullptr ? pread : ::pread, first_pause};
}

PositionedFile PositionedFile::open_to_write(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) throw file_error("opening", path.string(), errno, true);
  return {path, descriptor, ::pread, kFirstPause};
}

PositionedFile PositionedFile::create(const std::filesystem::path& path) {
  constexpr ::mode_t kMode = 0666;
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, kMode);
  if (descriptor < 0) throw file_error("creating", path.string(), errno, true);
  return {path, descriptor, ::pread, kFirstPause};
}

PositionedFile::PositionedFile(PositionedFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      pread_(other.pread_),
      first_pause_(other.first_pause_),
      has_warned_(std::move(other.has_warned_)) {}

PositionedFile& PositionedFile::operator=(PositionedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(pread_, other.pread_);
  std::swap(first_pause_, other.first_pause_);
  std::swap(has_warned_, other.has_warned_);
  return *this;
}

PositionedFile::~PositionedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::uint64_t PositionedFile::size() const {
  struct ::stat status {};
  if (::fstat(descriptor_, &status) != 0)
    throw file_error("asking the size of", path_.string(), errno, false);
  return static_cast<std::uint64_t>(status.st_size);
}

void PositionedFile::warn_once(int error_number) const {
  if (has_warned_->exchange(true)) return;
  log::warn("reading {}: {}; trying again for up to {:.0f} s", path_.string(),
            std::strerror(error_number), seconds_of_retries(first_pause_));
}

void PositionedFile::read_at(std::uint64_t offset, std::span<std::byte> to) const {
  int failures = 0;
  int fresh = -1;  // a stale NFS handle requires opening the file again
  const auto close_fresh = [&fresh] {
    if (fresh >= 0) ::close(std::exchange(fresh, -1));
  };
  while (!to.empty()) {
    const ::ssize_t n = pread_(fresh >= 0 ? fresh : descriptor_, to.data(), to.size(),
                               static_cast<::off_t>(offset));
    const int error_number = errno;
    if (n > 0) {
      count_progress();
      offset += static_cast<std::uint64_t>(n);
      to = to.subspan(static_cast<std::size_t>(n));
    } else if (n == 0) {
      close_fresh();
      throw Error(ExitCode::kData, "{} ends at byte {}, but {} bytes at {} are needed: truncated?",
                  path_.string(), size(), to.size(), offset);
    } else if (error_number != EINTR) {
      close_fresh();
      const std::string doing = fmt::format("reading {} bytes at {} of", to.size(), offset);
      if (!may_pass(error_number)) throw file_error(doing, path_.string(), error_number, false);
      if (failures == kRetries)
        throw Error(ExitCode::kIo,
                    "{}; it was tried {} times within {:.0f} s: check the disk or the file server "
                    "(its log, dmesg), then start again, where there is a checkpoint with --resume",
                    file_error(doing, path_.string(), error_number, false).what(), kRetries + 1,
                    seconds_of_retries(first_pause_));
      warn_once(error_number);
      std::this_thread::sleep_for(first_pause_ * (1 << failures++));
      fresh = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    }
  }
  close_fresh();
}

void PositionedFile::write_at(std::uint64_t offset, Bytes bytes) const {
  while (!bytes.empty()) {
    const ::ssize_t n =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<::off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw file_error(fmt::format("writing {} bytes at {} of", bytes.size(), offset),
                       path_.string(), errno, true);
    count_progress();
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

bool PositionedFile::will_need(std::uint64_t offset, std::uint64_t bytes) const {
  if (bytes == 0 || (is_cached(descriptor_, offset) && is_cached(descriptor_, offset + bytes - 1)))
    return false;
  ::posix_fadvise(descriptor_, static_cast<::off_t>(offset), static_cast<::off_t>(bytes),
                  POSIX_FADV_WILLNEED);
  return true;
}

void PositionedFile::sync() const { flush_file(descriptor_, path_.string()); }

std::string hash_outside(const PositionedFile& file, std::uint64_t begin, std::uint64_t length) {
  Sha256 outside;
  const Sink sink = [&](Bytes piece, bool) { outside.update(piece); };
  stream(file, 0, begin, true, sink);
  stream(file, begin + length, file.size(), true, sink);
  return outside.hex();
}

FileHashes hash_whole_and_outside(const PositionedFile& file, std::uint64_t begin,
                                  std::uint64_t length) {
  Sha256 whole;
  Sha256 outside;
  const Sink sink = [&](Bytes piece, bool is_outside) {
    whole.update(piece);
    if (is_outside) outside.update(piece);
  };
  stream(file, 0, begin, true, sink);
  stream(file, begin, begin + length, false, sink);
  stream(file, begin + length, file.size(), true, sink);
  return {whole.hex(), outside.hex()};
}

}  // namespace valley
