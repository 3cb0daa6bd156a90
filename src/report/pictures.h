// Grid images of a run: reals.png, fakes-init.png and fakes-NNNNNNNN.png.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace valley::report {

struct GridImage {
  std::string file;  // name in the run's folder
  double step = 0;
  std::uint64_t bytes = 0;
  std::uint32_t width = 0;  // pixels, from the PNG header
  std::uint32_t height = 0;
};

struct GridImages {
  std::optional<GridImage> reals;
  std::vector<GridImage> fakes;       // sorted by step
  std::size_t found = 0;              // number of fakes in the folder; may exceed the limits
  std::vector<std::string> unusable;  // "NAME: why"
};

struct GridLimits {
  std::size_t max_grids = 60;                  // fakes per run
  std::uint64_t max_bytes = 30 * 1000 * 1000;  // all images of a run
};

// Ignores grids of steps after `last_step`, which an attempt left that a resume has undone;
// negative: takes all. Of the images that fit the limits, damaged ones are left out. Returns no
// grids if the folder cannot be read.
[[nodiscard]] GridImages find_grids(const std::filesystem::path& run, double last_step,
                                    const GridLimits& limits);

// `k` of the indices 0..n-1 at even distances, with the first and the last (k = 1: only the last).
[[nodiscard]] std::vector<std::size_t> even_selection(std::size_t n, std::size_t k);

}  // namespace valley::report
