// A folder of samples that is filled by several processes and can be continued after a kill.
//
// samples.json describes the samples. Every other file appears whole, by a rename; whether a file
// that is found is complete follows from the checksums in it, because files are flushed to the disk
// only at the end.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/sample/many/block.h"

namespace valley::app {

inline constexpr std::string_view kSamplesFile = "samples.json";

// Rank 0: makes the folder, or checks that it holds samples of the same `description`, a JSON
// object, and at most `count` of them; then writes samples.json. Error kCannotWrite for a folder
// with other files, samples of another description (which differences it names) or more samples.
void open_sample_folder(const std::filesystem::path& folder, const nlohmann::json& description,
                        std::uint64_t count);

// A line "key: old there, new now" for each key of two JSON objects whose values differ.
[[nodiscard]] std::string describe_differences(const nlohmann::json& before,
                                               const nlohmann::json& now);

// Storage of the samples of a block in a folder. Any thread may call.
class BlockFiles {
 public:
  virtual ~BlockFiles() = default;
  [[nodiscard]] virtual bool has(std::uint64_t block) const = 0;  // complete files of all samples
  // `pixels`: uint8 [blocks.size, H, W, C] of the whole block.
  virtual void write(std::uint64_t block, const at::Tensor& pixels) const = 0;
};

// A PNG per sample, named after its seed: 00000017.png.
class PngFiles final : public BlockFiles {
 public:
  PngFiles(std::filesystem::path folder, const SeedBlocks& blocks)
      : folder_(std::move(folder)), blocks_(blocks) {}
  [[nodiscard]] bool has(std::uint64_t block) const override;
  void write(std::uint64_t block, const at::Tensor& pixels) const override;
  [[nodiscard]] static std::string name(std::uint64_t seed);

 private:
  std::filesystem::path folder_;
  SeedBlocks blocks_;
};

// A file per block: the pixels, and their CRC32C.
class RawFiles final : public BlockFiles {
 public:
  RawFiles(std::filesystem::path folder, const SeedBlocks& blocks, std::uint64_t image_bytes)
      : folder_(std::move(folder)), blocks_(blocks), image_bytes_(image_bytes) {}
  [[nodiscard]] bool has(std::uint64_t block) const override;
  void write(std::uint64_t block, const at::Tensor& pixels) const override;
  // The pixels of the requested seeds of a block. Error kData for a damaged file.
  [[nodiscard]] std::string read(std::uint64_t block) const;

 private:
  [[nodiscard]] std::filesystem::path path(std::uint64_t block) const;
  [[nodiscard]] bool is_whole(std::string_view bytes) const;  // by size and checksum
  std::filesystem::path folder_;
  SeedBlocks blocks_;
  std::uint64_t image_bytes_;
};

// True for the bytes of a PNG file whose chunks are all there, with the right checksums.
[[nodiscard]] bool is_whole_png(std::string_view bytes);

}  // namespace valley::app
