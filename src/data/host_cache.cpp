#include "data/host_cache.h"

#include <ATen/Functions.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/progress_count.h"
#include "core/text.h"
#include "data/device_cache.h"

namespace valley {
namespace {

constexpr std::int64_t kReadBytes = std::int64_t{64} << 20U;
constexpr std::uint64_t kReservedBytes = std::uint64_t{1} << 30U;

// "/proc/PID/fd/N INODE": the inode tells the memory from that of another process with the same
// number in another container.
std::string describe_memory(int descriptor) {
  struct ::stat status {};
  ::fstat(descriptor, &status);
  return fmt::format("/proc/{}/fd/{} {}", ::getpid(), descriptor, status.st_ino);
}

// A descriptor of shared memory, closed at the end; mappings stay.
class SharedMemory {
 public:
  explicit SharedMemory(std::uint64_t bytes)
      : descriptor_(::memfd_create("valley-data", MFD_CLOEXEC)) {
    int status = descriptor_ < 0 ? errno : 0;
    // Reserves the memory, so that it cannot run out while it is filled.
    for (std::uint64_t at = 0; status == 0 && at < bytes; at += kReservedBytes) {
      status = ::posix_fallocate(descriptor_, static_cast<::off_t>(at),
                                 static_cast<::off_t>(std::min(bytes - at, kReservedBytes)));
      count_progress();
    }
    if (status == 0) return;
    if (descriptor_ >= 0) ::close(descriptor_);
    throw Error(ExitCode::kOutOfMemory,
                "no shared memory of {} for the data set: {}; set data.cache to \"none\"",
                format_bytes(bytes), std::strerror(status));
  }
  explicit SharedMemory(const std::string& description) {
    const std::string path = description.substr(0, description.find(' '));
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (descriptor_ >= 0) {
      struct ::stat status {};
      ::fstat(descriptor_, &status);
      if (description == fmt::format("{} {}", path, status.st_ino)) return;
      ::close(descriptor_);
    }
    throw Error(ExitCode::kConfig,
                "data.cache = \"host\": the memory of the host's first rank ({}) cannot be opened; "
                "if the ranks run in separate containers, set data.cache to \"none\"",
                path);
  }
  ~SharedMemory() { ::close(descriptor_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

class Mapping {
 public:
  Mapping(const SharedMemory& memory, std::uint64_t bytes) : bytes_(bytes) {
    address_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.descriptor(), 0);
    if (address_ == MAP_FAILED)
      throw Error(ExitCode::kOutOfMemory,
                  "mapping the data set ({}): {}; set data.cache to \"none\"", format_bytes(bytes),
                  std::strerror(errno));
  }
  ~Mapping() { ::munmap(address_, bytes_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  void make_read_only() const { ::mprotect(address_, bytes_, PROT_READ); }
  [[nodiscard]] std::uint8_t* data() const { return static_cast<std::uint8_t*>(address_); }

 private:
  void* address_;
  std::uint64_t bytes_;
};

class HostCopy final : public Dataset {
 public:
  HostCopy(std::shared_ptr<const Dataset> dataset, std::unique_ptr<Mapping> mapping)
      : dataset_(std::move(dataset)), mapping_(std::move(mapping)) {}

  [[nodiscard]] std::uint64_t size() const override { return dataset_->size(); }
  [[nodiscard]] std::int64_t height() const override { return dataset_->height(); }
  [[nodiscard]] std::int64_t width() const override { return dataset_->width(); }
  [[nodiscard]] std::int64_t channels() const override { return dataset_->channels(); }
  [[nodiscard]] std::string fingerprint() const override { return dataset_->fingerprint(); }
  [[nodiscard]] const std::filesystem::path& directory() const override {
    return dataset_->directory();
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return dataset_->class_names();
  }
  [[nodiscard]] std::vector<OrderPart> order_parts() const override {
    return dataset_->order_parts();
  }
  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool /*verify*/) const override {
    VALLEY_CHECK(index < size() && pixels.size() == image_bytes());
    std::memcpy(pixels.data(), mapping_->data() + index * image_bytes(), pixels.size());
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return dataset_->label(index);
  }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return dataset_->name(index);
  }
  [[nodiscard]] std::array<std::uint32_t, 2> orig_size(std::uint64_t index) const override {
    return dataset_->orig_size(index);
  }
  std::uint64_t prefetch(std::span<const std::uint64_t> /*indices*/) const override { return 0; }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::unique_ptr<Mapping> mapping_;
};

void fill(const Dataset& dataset, std::int64_t first, std::int64_t end, std::uint8_t* pixels) {
  const auto bytes = static_cast<std::int64_t>(dataset.image_bytes());
  const std::int64_t piece = std::max<std::int64_t>(1, kReadBytes / bytes);
  for (; first < end; first += piece) {
    const std::int64_t count = std::min(piece, end - first);
    const at::Tensor into =
        at::from_blob(pixels + first * bytes,
                      {count, dataset.height(), dataset.width(), dataset.channels()}, at::kByte);
    read_images(dataset, first, into, true);
  }
}

}  // namespace

std::shared_ptr<const Dataset> cache_on_host(const std::shared_ptr<const Dataset>& dataset,
                                             const HostRanks& ranks) {
  const std::uint64_t bytes = dataset->size() * dataset->image_bytes();
  const bool is_first = ranks.rank == 0;
  std::unique_ptr<SharedMemory> memory;
  if (is_first) memory = std::make_unique<SharedMemory>(bytes);
  const std::string place = ranks.from_first(is_first ? describe_memory(memory->descriptor()) : "");
  if (!is_first) memory = std::make_unique<SharedMemory>(place);
  auto mapping = std::make_unique<Mapping>(*memory, bytes);
  const auto n = static_cast<std::int64_t>(dataset->size());
  fill(*dataset, n * ranks.rank / ranks.size, n * (ranks.rank + 1) / ranks.size, mapping->data());
  // All ranks have opened and filled the memory.
  ranks.barrier();
  mapping->make_read_only();
  return std::make_shared<HostCopy>(dataset, std::move(mapping));
}

}  // namespace valley
