// The grids of a run: reals.png, fakes-init.png and fakes-NNNNNNNN.png.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace valley::report {

struct Picture {
  std::string file;  // its name in the run's folder
  double step = 0;
  std::uint64_t bytes = 0;
  std::uint32_t width = 0;  // pixels, as the PNG's header says
  std::uint32_t height = 0;
};

struct Pictures {
  std::optional<Picture> reals;
  std::vector<Picture> fakes;         // in the order of steps
  std::size_t found = 0;              // fakes of the run; fewer are shown when there are many
  std::vector<std::string> unusable;  // "NAME: why"
};

struct PictureLimits {
  std::size_t most = 60;                        // fakes of a run
  std::uint64_t most_bytes = 30 * 1000 * 1000;  // of all pictures of a run
};

// `last_step`: grids of later steps are what an attempt left behind that a resume has taken back;
// negative: take all. An unreadable folder has none.
[[nodiscard]] Pictures find_pictures(const std::filesystem::path& run, double last_step,
                                     const PictureLimits& limits);

// `k` of the indices 0..n-1 as evenly as can be, the first and the last among them (k = 1: the
// last).
[[nodiscard]] std::vector<std::size_t> even_selection(std::size_t n, std::size_t k);

}  // namespace valley::report
