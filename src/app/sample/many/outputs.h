// Samples that were drawn into a folder of raw blocks, as an npz file or as a data set of shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "app/sample/many/block.h"
#include "app/sample/many/folder.h"
#include "comm/world.h"
#include "data/builder.h"
#include "inference/sample_source.h"

namespace valley::app {

struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;

  [[nodiscard]] std::uint64_t bytes() const {
    return static_cast<std::uint64_t>(height * width * channels);
  }
};

// NumPy's array "arr_0", uint8 [count, H, W, C] by ascending seed, and if `samples` have classes
// "arr_1", int64 [count]: the names that numpy.savez gives and that evaluation scripts of diffusion
// models read.
void write_sample_npz(const std::filesystem::path& file, const RawFiles& files,
                      const SeedBlocks& blocks, const ImageSize& size, const SampleSource& samples);

// Collective: a data set of shards in the order of the seeds, with the classes of `samples`. An
// unfinished one is continued. `identity`: JSON text that describes the samples. Errors: those of
// build_dataset.
void build_sample_shards(World& world, const std::filesystem::path& directory,
                         const RawFiles& files, const SeedBlocks& blocks, const ImageSize& size,
                         const SampleSource& samples, const std::string& identity, int threads);

// True if `directory` holds the complete data set that build_sample_shards would build. Error
// kCannotWrite if it holds anything else than a part of it.
[[nodiscard]] bool has_sample_shards(const std::filesystem::path& directory,
                                     const SeedBlocks& blocks, const ImageSize& size,
                                     const SampleSource& samples, const std::string& identity);

}  // namespace valley::app
