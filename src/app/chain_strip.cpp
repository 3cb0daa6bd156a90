#include "app/chain_strip.h"

#include <fmt/format.h>

#include "app/image_cells.h"
#include "core/error.h"
#include "inference/damage.h"

namespace valley::app {
namespace {

constexpr std::int64_t kNameWidth = 110;

}  // namespace

void write_chain_strip(const std::filesystem::path& path,
                       const std::vector<Trajectory>& trajectories,
                       const std::vector<std::string>& names) {
  VALLEY_CHECK(!trajectories.empty());
  const Trajectory& first = trajectories.front();
  std::int64_t rows = 0;
  for (const Trajectory& t : trajectories) rows += t.images.size(1);
  const std::int64_t side = first.images.size(3);
  const std::int64_t cell = side * compute_zoom(side);
  const std::int64_t left = names.empty() ? kCellGap : kNameWidth + 2 * kCellGap;
  const std::int64_t row_height = cell + kLineHeight + kCellGap;
  const auto columns = static_cast<std::int64_t>(first.steps.size());
  Canvas canvas(left + columns * (cell + kCellGap), 2 * kLineHeight + rows * row_height);

  for (std::int64_t column = 0; column < columns; ++column)
    canvas.text(left + column * (cell + kCellGap), kLineHeight / 2,
                fmt::format("{}{}", column == 0 ? "step " : "",
                            first.steps[static_cast<std::size_t>(column)]));
  std::int64_t row = 0;
  for (const Trajectory& t : trajectories) {
    for (std::int64_t chain = 0; chain < t.images.size(1); ++chain, ++row) {
      const std::int64_t y = 2 * kLineHeight + row * row_height;
      if (!names.empty())
        canvas.text(kCellGap, y + cell / 2,
                    cut_to_width(names[static_cast<std::size_t>(row)], kNameWidth));
      for (std::int64_t column = 0; column < columns; ++column) {
        draw_cell(canvas, left + column * (cell + kCellGap), y,
                  bytes_from_unit(t.images[column].narrow(0, chain, 1))[0],
                  {fmt::format("E {:.4g}", t.energies[column][chain].item<double>())});
      }
    }
  }
  canvas.save(path);
}

}  // namespace valley::app
