// Shared by the tests of shards: a source of known images, a temporary directory, files with a
// changed byte.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/hash.h"
#include "data/builder.h"

namespace valley {

// Image i is noise keyed by i, 8 x 8 RGB; label i % 3. A hook may reject or fail it.
class PatternSource : public ImageSource {
 public:
  using Hook = std::function<std::optional<Reject>(std::uint64_t)>;
  explicit PatternSource(std::uint64_t n, Hook hook = {}) : n_(n), hook_(std::move(hook)) {}

  static constexpr std::int64_t kSide = 8;
  static std::vector<std::uint8_t> pixels(std::uint64_t index) {
    std::vector<std::uint8_t> values(kSide * kSide * 3);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<std::uint8_t>(mix64(index * 1000003 + i));
    return values;
  }

  [[nodiscard]] std::uint64_t size() const override { return n_; }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return "bild-ä-" + std::to_string(index);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return static_cast<std::int64_t>(index % 3);
  }
  [[nodiscard]] std::vector<std::string> class_names() const override {
    return {"cat", "dog", "Vögel"};
  }
  [[nodiscard]] std::string identity_json() const override {
    return fmt::format(R"({{"kind":"pattern","n":{}}})", n_);
  }
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override {
    class Reader final : public ImageReader {
     public:
      explicit Reader(const Hook& hook) : hook_(hook) {}
      std::variant<Image, Reject> load(std::uint64_t index) override {
        if (hook_) {
          if (std::optional<Reject> reject = hook_(index)) return *std::move(reject);
        }
        Image image(kSide, kSide, 3);
        image.pixels = pixels(index);
        return image;
      }

     private:
      const Hook& hook_;
    };
    return std::make_unique<Reader>(hook_);
  }

 private:
  std::uint64_t n_;
  Hook hook_;
};

class ShardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static std::atomic<int> counter{0};
    folder_ = std::filesystem::path(::testing::TempDir()) /
              fmt::format("valley-shards-{}-{}", ::getpid(), counter++);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] BuildOptions options(const std::string& name = "set") const {
    BuildOptions options;
    options.destination = folder_ / name;
    options.target.height = options.target.width = PatternSource::kSide;
    options.shard_images = 32;
    options.jobs = 2;
    return options;
  }

  // name -> SHA-256 of every file.
  static std::map<std::string, std::string> hashes(const std::filesystem::path& directory) {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      all[entry.path().filename().string()] = sha256_of_file(entry.path());
    return all;
  }

  static void flip_byte(const std::filesystem::path& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int old = file.get();
    ASSERT_NE(old, std::char_traits<char>::eof()) << path << " ends before " << offset;
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(old ^ 0x10));
  }

  // Without a flush to the disk, which tests need not wait for.
  static void put_file(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  // Runs `action`, which must throw an Error of `code` whose message holds every part.
  static void expect_error(ExitCode code, const std::vector<std::string>& parts,
                           const std::function<void()>& action) {
    try {
      action();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
      for (const std::string& part : parts)
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
            << "\"" << part << "\" is not in: " << error.what();
    }
  }

  std::filesystem::path folder_;
};

}  // namespace valley
