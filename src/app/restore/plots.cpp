#include "app/restore/plots.h"

#include <fmt/format.h>

#include <cmath>

#include "app/image_cells.h"

namespace valley::app {
namespace {

constexpr std::int64_t kColumnsPerBand = 8;
constexpr std::int64_t kLabelWidth = 64;

struct Row {
  std::string label;
  const at::Tensor& pixels;
  Version RestoredImage::*version;  // nullptr for the truth
};

std::vector<Row> make_rows(const Restoration& r) {
  std::vector<Row> rows;
  if (r.has_truth) rows.push_back({"truth", r.truth, nullptr});
  rows.push_back({"damaged", r.damaged, &RestoredImage::damaged});
  rows.push_back({"filled", r.filled, &RestoredImage::filled});
  rows.push_back({"restored", r.restored, &RestoredImage::restored});
  return rows;
}

std::vector<std::string> caption(const Restoration& r, const RestoredImage& image, const Row& row) {
  if (row.version == nullptr) return {"", fmt::format("E {:.4g}", image.truth_energy)};
  const Version& version = image.*row.version;
  const std::string energy = fmt::format("E {:.4g}", version.energy);
  if (!r.has_truth) return {energy};
  const double psnr = version.whole.psnr();
  return {std::isfinite(psnr) ? fmt::format("{:.1f} dB", psnr) : "equal", energy};
}

}  // namespace

void write_comparison(const std::filesystem::path& path, const Restoration& r) {
  const std::vector<Row> rows = make_rows(r);
  const auto n = static_cast<std::int64_t>(r.images.size());
  const std::int64_t side = r.damaged.size(1);
  const std::int64_t cell = side * compute_zoom(side);
  const std::int64_t row_height = cell + 2 * kLineHeight + kCellGap;
  const std::int64_t band_height =
      static_cast<std::int64_t>(rows.size()) * row_height + 2 * kCellGap;
  const std::int64_t columns = std::min(n, kColumnsPerBand);
  Canvas canvas(kLabelWidth + columns * (cell + kCellGap),
                kCellGap + (n + kColumnsPerBand - 1) / kColumnsPerBand * band_height);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t x = kLabelWidth + i % kColumnsPerBand * (cell + kCellGap);
    std::int64_t y = kCellGap + i / kColumnsPerBand * band_height;
    for (const Row& row : rows) {
      if (i % kColumnsPerBand == 0) canvas.text(kCellGap, y + cell / 2, row.label);
      draw_cell(canvas, x, y, row.pixels[i],
                caption(r, r.images[static_cast<std::size_t>(i)], row));
      y += row_height;
    }
  }
  canvas.save(path);
}

}  // namespace valley::app
