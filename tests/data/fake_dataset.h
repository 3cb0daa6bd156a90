// Data set in memory for tests: the bytes of images are a function of their index; records calls.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/hash.h"
#include "data/dataset.h"

namespace valley {

class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(std::uint64_t images, std::int64_t side = 4)
      : images_(images), side_(side) {}

  std::uint64_t size() const override { return images_; }
  std::int64_t height() const override { return side_; }
  std::int64_t width() const override { return side_; }
  std::int64_t channels() const override { return 3; }
  std::string fingerprint() const override { return "fake"; }
  const std::filesystem::path& directory() const override { return directory_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  std::int64_t label(std::uint64_t index) const override {
    return static_cast<std::int64_t>(index) - 1;
  }
  std::string name(std::uint64_t index) const override { return std::to_string(index); }

  static std::uint8_t byte_of(std::uint64_t image, std::uint64_t offset) {
    return static_cast<std::uint8_t>(word_of(image, offset / 8) >> (offset % 8 * 8));
  }
  void read(std::uint64_t index, std::span<std::uint8_t> pixels, bool verify) const override {
    if (on_read) on_read(index);
    for (std::size_t begin = 0; begin < pixels.size(); begin += 8) {
      std::uint64_t word = word_of(index, begin / 8);
      for (std::size_t i = begin; i < std::min(begin + 8, pixels.size()); ++i, word >>= 8U) {
        pixels[i] = static_cast<std::uint8_t>(word);
      }
    }
    const std::lock_guard lock(mutex_);
    ++reads_;
    verified_ += verify ? 1 : 0;
  }
  std::uint64_t prefetch(std::span<const std::uint64_t> indices) const override {
    if (on_prefetch) on_prefetch();
    const std::lock_guard lock(mutex_);
    hinted_.insert(hinted_.end(), indices.begin(), indices.end());
    return is_missing ? static_cast<std::uint64_t>(std::ranges::count_if(indices, is_missing))
                      : indices.size();
  }

  std::uint64_t reads() const {
    const std::lock_guard lock(mutex_);
    return reads_;
  }
  std::uint64_t verified() const {
    const std::lock_guard lock(mutex_);
    return verified_;
  }
  std::vector<std::uint64_t> hinted() const {
    const std::lock_guard lock(mutex_);
    return hinted_;
  }

  std::function<void(std::uint64_t)> on_read;
  std::function<void()> on_prefetch;
  std::function<bool(std::uint64_t)> is_missing;  // the images that prefetch counts; unset: all

 private:
  static std::uint64_t word_of(std::uint64_t image, std::uint64_t word) {
    return mix64(image * 1000003 + word);
  }

  std::uint64_t images_;
  std::int64_t side_;
  std::filesystem::path directory_ = "fake";
  std::vector<std::string> class_names_;
  mutable std::mutex mutex_;
  mutable std::uint64_t reads_ = 0;
  mutable std::uint64_t verified_ = 0;
  mutable std::vector<std::uint64_t> hinted_;
};

}  // namespace valley
