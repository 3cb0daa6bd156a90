#include "doctor/storage_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "core/file_system.h"
#include "storage/descriptor.h"

namespace valley::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBlock = std::size_t{4} << 20;
constexpr std::size_t kFirst = std::size_t{8} << 20;  // decides if the rest is written as well
constexpr std::size_t kMaxProbeBytes = std::size_t{64} << 20;
constexpr std::size_t kAlignment = 4096;  // required by O_DIRECT
constexpr double kReadSeconds = 1.0;
constexpr double kSlowSeconds = 0.5;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

using Block = std::unique_ptr<void, decltype(&std::free)>;

// Random bytes, which file systems cannot compress or deduplicate.
Block make_block() {
  Block block(std::aligned_alloc(kAlignment, kBlock), &std::free);
  if (!block) throw std::bad_alloc();
  auto state = static_cast<std::uint64_t>(::getpid()) * 0x9E3779B97F4A7C15U + 1;
  auto* words = static_cast<std::uint64_t*>(block.get());
  for (std::size_t i = 0; i < kBlock / sizeof *words; ++i) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    words[i] = state;
  }
  return block;
}

void write_bytes(int file, void* block, std::size_t bytes, const std::string& path) {
  auto* stamp = static_cast<std::uint64_t*>(block);
  for (std::size_t done = 0; done < bytes;) {
    ++*stamp;  // no two blocks are equal
    const ::ssize_t n = ::write(file, block, std::min(kBlock, bytes - done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw file_error(fmt::format("writing {} bytes to", bytes), path, errno, true);
    done += static_cast<std::size_t>(n);
  }
  flush_file(file, path);
}

class RemovedFile {
 public:
  explicit RemovedFile(const std::filesystem::path& path)
      : path_(path.string()),
        descriptor_(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    if (!descriptor_) throw file_error("making", path_, errno, true);
  }
  ~RemovedFile() { ::unlink(path_.c_str()); }
  RemovedFile(const RemovedFile&) = delete;
  RemovedFile& operator=(const RemovedFile&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  Descriptor descriptor_;
};

}  // namespace

ReadSpeed measure_read(const std::filesystem::path& file) {
  const std::string path = file.string();
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  const bool direct = static_cast<bool>(descriptor);
  if (!direct) descriptor = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor) throw file_error("opening", path, errno, false);
  const bool dropped = !direct && ::posix_fadvise(descriptor.get(), 0, 0, POSIX_FADV_DONTNEED) == 0;
  const Block block(std::aligned_alloc(kAlignment, kBlock), &std::free);
  if (!block) throw std::bad_alloc();

  const Clock::time_point start = Clock::now();
  std::size_t done = 0;
  while (done < kMaxProbeBytes && seconds_since(start) < kReadSeconds) {
    const ::ssize_t n = ::read(descriptor.get(), block.get(), kBlock);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw file_error("reading", path, errno, false);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  const double seconds = std::max(1e-9, seconds_since(start));
  return {static_cast<double>(done) / 1e6 / seconds, direct || dropped};
}

StorageSpeed measure_storage(const std::filesystem::path& file, std::uint64_t free_bytes) {
  const std::size_t max_bytes = std::min<std::size_t>(kMaxProbeBytes, free_bytes / 2);
  const RemovedFile probe(file);
  const Block block = make_block();
  Clock::time_point start = Clock::now();
  std::size_t written = std::min(kFirst, max_bytes);
  write_bytes(probe.descriptor(), block.get(), written, probe.path());
  double seconds = seconds_since(start);
  if (seconds < kSlowSeconds && max_bytes > 2 * kFirst) {
    start = Clock::now();
    written = max_bytes - kFirst;
    write_bytes(probe.descriptor(), block.get(), written, probe.path());
    seconds = seconds_since(start);
  }
  const ReadSpeed read = measure_read(file);
  return {static_cast<double>(written) / 1e6 / std::max(1e-9, seconds), read.mb_per_s,
          read.from_disk};
}

}  // namespace valley::doctor
