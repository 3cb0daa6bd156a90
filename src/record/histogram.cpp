#include "record/histogram.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "core/error.h"
#include "record/chart_style.h"

namespace valley {
namespace {

constexpr std::int64_t kBins = 60;
constexpr std::int64_t kBinPixels = 10;
constexpr std::int64_t kHistogramLeft = 90;
constexpr std::int64_t kRight = 30;
constexpr std::int64_t kPlotWidth = kBins * kBinPixels;
constexpr std::int64_t kPlotHeight = 300;
constexpr std::int64_t kBelow = 70;
constexpr std::int64_t kRow = 24;  // height of a row of the legend
constexpr double kHistogramOpacity = 0.45;
constexpr double kPercent = 100;

// Smallest of 1, 2 or 5 times a power of ten that is at least `step`.
double round_up(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

class Plot {
 public:
  Plot(const Range& range, double max_share, std::int64_t top, Canvas& canvas)
      : range_(range), max_share_(max_share), top_(top), canvas_(canvas) {}

  void draw_axes(const std::string& unit) const;
  void draw_bars(const std::vector<double>& shares, Color color) const;
  void draw_outline(const std::vector<double>& shares, Color color) const;

 private:
  [[nodiscard]] std::int64_t bottom() const { return top_ + kPlotHeight; }
  [[nodiscard]] std::int64_t x_of(double value) const {
    const double share = (value - range_.low) / (range_.high - range_.low);
    return kHistogramLeft + static_cast<std::int64_t>(std::lround(share * kPlotWidth));
  }
  [[nodiscard]] std::int64_t y_of(double share) const {
    return bottom() - static_cast<std::int64_t>(std::lround(share / max_share_ * kPlotHeight));
  }

  Range range_;
  double max_share_;  // share at the upper end
  std::int64_t top_;
  Canvas& canvas_;
};

void Plot::draw_axes(const std::string& unit) const {
  const std::vector<double> shares = axis_ticks({0, max_share_ * kPercent}, 6);
  const std::vector<std::string> share_labels = tick_labels(shares);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const std::int64_t y = y_of(shares[i] / kPercent);
    canvas_.line(kHistogramLeft, y, kHistogramLeft + kPlotWidth, y, chart::kGridLines);
    const std::string label = share_labels[i] + "%";
    canvas_.text(kHistogramLeft - 2 * chart::kTick - text_width(label, chart::kLetterScale),
                 y - text_height(chart::kLetterScale) / 2, label, kBlack, chart::kLetterScale);
  }
  const std::vector<double> ticks = axis_ticks(range_, 7);
  const std::vector<std::string> labels = tick_labels(ticks);
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const std::int64_t x = x_of(ticks[i]);
    canvas_.line(x, bottom(), x, bottom() + chart::kTick, kBlack);
    canvas_.text(x - text_width(labels[i], chart::kLetterScale) / 2, bottom() + 2 * chart::kTick,
                 labels[i], kBlack, chart::kLetterScale);
  }
  canvas_.line(kHistogramLeft, top_, kHistogramLeft, bottom(), kBlack);
  canvas_.line(kHistogramLeft, bottom(), kHistogramLeft + kPlotWidth, bottom(), kBlack);
  const std::string shown =
      cut_to_width(unit, canvas_.width() - 2 * chart::kTick, chart::kLetterScale);
  const std::int64_t middle =
      kHistogramLeft + kPlotWidth / 2 - text_width(shown, chart::kLetterScale) / 2;
  const std::int64_t max_left =
      canvas_.width() - chart::kTick - text_width(shown, chart::kLetterScale);
  canvas_.text(std::max(chart::kTick, std::min(middle, max_left)),
               bottom() + 2 * chart::kTick + kRow, shown, kBlack, chart::kLetterScale);
}

void Plot::draw_bars(const std::vector<double>& shares, Color color) const {
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const std::int64_t y = y_of(shares[i]);
    canvas_.fill_rect(kHistogramLeft + static_cast<std::int64_t>(i) * kBinPixels, y, kBinPixels,
                      bottom() - y, color, kHistogramOpacity);
  }
}

void Plot::draw_outline(const std::vector<double>& shares, Color color) const {
  std::int64_t before = bottom();
  for (std::size_t i = 0; i <= shares.size(); ++i) {
    const std::int64_t x = kHistogramLeft + static_cast<std::int64_t>(i) * kBinPixels;
    const std::int64_t y = i < shares.size() ? y_of(shares[i]) : bottom();
    canvas_.line(x, before, x, y, color);
    if (i < shares.size() && y < bottom()) canvas_.line(x, y, x + kBinPixels, y, color);
    before = y;
  }
}

void draw_legend(std::span<const HistogramSet> sets, Canvas& canvas) {
  constexpr std::int64_t kBox = 16;
  std::int64_t y = chart::kTick;
  for (const HistogramSet& set : sets) {
    canvas.fill_rect(kHistogramLeft, y, kBox, kBox, set.color, kHistogramOpacity);
    for (const auto& [x0, y0, x1, y1] :
         {std::array{0, 0, 1, 0}, {1, 0, 1, 1}, {1, 1, 0, 1}, {0, 1, 0, 0}})
      canvas.line(kHistogramLeft + x0 * kBox, y + y0 * kBox, kHistogramLeft + x1 * kBox,
                  y + y1 * kBox, set.color);
    const std::string text = fmt::format("{} ({} images)", set.name, set.values.size());
    canvas.text(kHistogramLeft + 2 * kBox, y + 1,
                cut_to_width(text, canvas.width() - kHistogramLeft - 2 * kBox - chart::kTick,
                             chart::kLetterScale),
                kBlack, chart::kLetterScale);
    y += kRow;
  }
}

}  // namespace

Range range_of(std::span<const HistogramSet> sets) {
  VALLEY_CHECK(!sets.empty() && !sets.front().values.empty());
  Range range{sets.front().values.front(), sets.front().values.front()};
  for (const HistogramSet& set : sets) {
    for (const float value : set.values) {
      range.low = std::min<double>(range.low, value);
      range.high = std::max<double>(range.high, value);
    }
  }
  // Widen the range if bins would be narrower than the spacing of floats.
  const double least = std::max(1e-6 * std::max(std::abs(range.low), std::abs(range.high)), 1e-30);
  if (range.high - range.low < least) {
    const double middle = (range.low + range.high) / 2;
    range = {middle - least, middle + least};
  }
  return range;
}

std::vector<double> histogram_shares(std::span<const float> values, const Range& range,
                                     std::int64_t bins) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(bins));
  for (const float value : values) {
    const double place = (value - range.low) / (range.high - range.low) * static_cast<double>(bins);
    const auto bin = std::clamp(static_cast<std::int64_t>(place), std::int64_t{0}, bins - 1);
    ++counts[static_cast<std::size_t>(bin)];
  }
  std::vector<double> shares;
  for (const std::int64_t count : counts)
    shares.push_back(static_cast<double>(count) / static_cast<double>(values.size()));
  return shares;
}

std::vector<double> axis_ticks(const Range& range, int max_ticks) {
  VALLEY_CHECK(range.low < range.high && max_ticks > 1);
  const double step = round_up((range.high - range.low) / (max_ticks - 1));
  std::vector<double> ticks;
  const double slack = 1e-9 * step;
  for (double i = std::ceil((range.low - slack) / step); i * step <= range.high + slack; ++i)
    ticks.push_back(i == 0 ? 0 : i * step);
  return ticks;
}

std::vector<std::string> tick_labels(const std::vector<double>& ticks) {
  constexpr int kMaxDigits = 6;
  double largest = 0;
  for (const double tick : ticks) largest = std::max(largest, std::abs(tick));
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : largest;
  const int decimals =
      step > 0 ? std::max(0, -static_cast<int>(std::floor(std::log10(step * (1 + 1e-9))))) : 0;
  const bool is_plain = largest < 1e6 && decimals <= kMaxDigits;
  std::vector<std::string> labels;
  for (const double tick : ticks)
    labels.push_back(is_plain ? fmt::format("{:.{}f}", tick, decimals)
                              : fmt::format("{:.{}g}", tick, kMaxDigits));
  return labels;
}

Png write_histogram(const std::filesystem::path& path, std::span<const HistogramSet> sets,
                    const std::string& unit) {
  const Range range = range_of(sets);
  std::vector<std::vector<double>> shares;
  double max_share = 0;
  for (const HistogramSet& set : sets) {
    VALLEY_CHECK(!set.values.empty());
    shares.push_back(histogram_shares(set.values, range, kBins));
    max_share = std::max(max_share, *std::max_element(shares.back().begin(), shares.back().end()));
  }
  const std::int64_t top = static_cast<std::int64_t>(sets.size()) * kRow + 2 * chart::kTick;
  Canvas canvas(kHistogramLeft + kPlotWidth + kRight, top + kPlotHeight + kBelow);
  constexpr double kHeadroom = 1.05;
  const Plot plot(range, max_share * kHeadroom, top, canvas);
  plot.draw_axes(unit);
  for (std::size_t i = 0; i < sets.size(); ++i) plot.draw_bars(shares[i], sets[i].color);
  for (std::size_t i = 0; i < sets.size(); ++i) plot.draw_outline(shares[i], sets[i].color);
  draw_legend(sets, canvas);
  return canvas.save(path);
}

}  // namespace valley
