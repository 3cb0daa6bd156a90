#include "record/confusion_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "record/canvas.h"
#include "record/chart_style.h"

namespace valley {
namespace {

constexpr std::int64_t kMaxNameWidth = 180;  // pixels
constexpr double kDark = 0.5;                // letters are white from this share on

struct MatrixLayout {
  std::int64_t classes;
  std::int64_t cell;
  std::int64_t left;
  std::int64_t top;
};

// Squares as wide as the longest number or name above them, with gaps if there are few classes.
MatrixLayout matrix_layout(const std::vector<std::string>& names,
                           std::span<const std::uint64_t> counts) {
  MatrixLayout layout{static_cast<std::int64_t>(names.size()), 0, 0, 0};
  const std::uint64_t most = *std::max_element(counts.begin(), counts.end());
  const std::int64_t number =
      text_width(fmt::to_string(most), chart::kLetterScale) + 2 * chart::kGap;
  std::int64_t name = 0;
  for (const std::string& n : names) name = std::max(name, text_width(n, chart::kLetterScale));
  name = std::min(name, kMaxNameWidth);
  constexpr std::int64_t kManyClasses = 40;
  constexpr std::int64_t kSmallCell = 12;
  layout.cell = layout.classes > kManyClasses
                    ? kSmallCell
                    : std::clamp<std::int64_t>(name + chart::kGap, number, 2 * number);
  layout.left =
      chart::kGap + text_width("label", chart::kLetterScale) + chart::kGap + name + chart::kGap;
  layout.top = 3 * chart::kGap + 2 * text_height(chart::kLetterScale);
  return layout;
}

void draw_names(Canvas& canvas, const MatrixLayout& l, const std::vector<std::string>& names) {
  canvas.text(l.left, chart::kGap, "predicted", kBlack, chart::kLetterScale);
  const std::int64_t first_row = l.top + (l.cell - text_height(chart::kLetterScale)) / 2;
  canvas.text(chart::kGap, first_row, "label", kBlack, chart::kLetterScale);
  if (l.cell < text_height(chart::kLetterScale)) return;
  for (std::int64_t i = 0; i < l.classes; ++i) {
    const std::string& name = names[static_cast<std::size_t>(i)];
    const std::string row = cut_to_width(name, kMaxNameWidth, chart::kLetterScale);
    canvas.text(l.left - chart::kGap - text_width(row, chart::kLetterScale), first_row + i * l.cell,
                row, kBlack, chart::kLetterScale);
    const std::string column =
        cut_to_width(name, l.cell - chart::kLetterScale, chart::kLetterScale);
    canvas.text(l.left + i * l.cell + (l.cell - text_width(column, chart::kLetterScale)) / 2,
                l.top - chart::kGap - text_height(chart::kLetterScale), column, kBlack,
                chart::kLetterScale);
  }
}

void draw_cell(Canvas& canvas, const MatrixLayout& l, std::int64_t x, std::int64_t y,
               std::uint64_t count, double share, bool is_right) {
  if (count == 0) return;
  constexpr double kMin = 0.06;  // so that a single image is visible
  canvas.fill_rect(x + 1, y + 1, l.cell - 1, l.cell - 1, is_right ? kBlue : kOrange,
                   kMin + (1 - kMin) * share);
  const std::string text = fmt::to_string(count);
  if (text_width(text, chart::kLetterScale) >= l.cell) return;
  canvas.text(x + (l.cell - text_width(text, chart::kLetterScale)) / 2 + 1,
              y + (l.cell - text_height(chart::kLetterScale)) / 2 + 1, text,
              share > kDark ? kWhite : kBlack, chart::kLetterScale);
}

}  // namespace

Png write_confusion(const std::filesystem::path& path, const std::vector<std::string>& names,
                    std::span<const std::uint64_t> counts) {
  const std::size_t n = names.size();
  VALLEY_CHECK(n > 0 && counts.size() == n * n);
  const MatrixLayout l = matrix_layout(names, counts);
  const std::int64_t side = l.classes * l.cell;
  Canvas canvas(
      std::max(l.left + side, l.left + text_width("predicted", chart::kLetterScale)) + chart::kGap,
      l.top + side + chart::kGap);
  draw_names(canvas, l, names);
  for (std::int64_t i = 0; i <= l.classes; ++i) {
    canvas.line(l.left + i * l.cell, l.top, l.left + i * l.cell, l.top + side, chart::kGridLines);
    canvas.line(l.left, l.top + i * l.cell, l.left + side, l.top + i * l.cell, chart::kGridLines);
  }
  for (std::size_t label = 0; label < n; ++label) {
    const auto row = counts.subspan(label * n, n);
    const std::uint64_t all = std::accumulate(row.begin(), row.end(), std::uint64_t{0});
    for (std::size_t predicted = 0; all > 0 && predicted < n; ++predicted) {
      draw_cell(canvas, l, l.left + static_cast<std::int64_t>(predicted) * l.cell,
                l.top + static_cast<std::int64_t>(label) * l.cell, row[predicted],
                static_cast<double>(row[predicted]) / static_cast<double>(all), label == predicted);
    }
  }
  return canvas.save(path);
}

}  // namespace valley
