#include "record/reliability_picture.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "record/canvas.h"
#include "record/chart_style.h"

namespace valley {
namespace {

constexpr std::int64_t kDiagramLeft = 80;
constexpr std::int64_t kDiagramSide = 360;  // side of the diagram
constexpr std::int64_t kCounts = 100;       // height of the histogram below
constexpr double kDiagramOpacity = 0.6;

std::int64_t pixels(double share, std::int64_t length) {
  return static_cast<std::int64_t>(std::lround(share * static_cast<double>(length)));
}

// A panel of shares, 0 to 1 both ways, with its lower left corner at (kLeft, bottom).
struct Panel {
  std::int64_t bottom;
  std::int64_t height;
  [[nodiscard]] std::int64_t x(double share) const {
    return kDiagramLeft + pixels(share, kDiagramSide);
  }
  [[nodiscard]] std::int64_t y(double share) const { return bottom - pixels(share, height); }
};

void draw_frame(Canvas& canvas, const Panel& panel, double step) {
  for (double share = 0; share <= 1.001; share += step) {
    const std::string label = fmt::format("{:.1f}", share);
    canvas.line(kDiagramLeft, panel.y(share), kDiagramLeft + kDiagramSide, panel.y(share),
                chart::kGridLines);
    canvas.text(kDiagramLeft - chart::kTick - text_width(label, chart::kLetterScale),
                panel.y(share) - text_height(chart::kLetterScale) / 2, label, kBlack,
                chart::kLetterScale);
  }
  canvas.line(kDiagramLeft, panel.y(1), kDiagramLeft, panel.bottom, kBlack);
  canvas.line(kDiagramLeft, panel.bottom, kDiagramLeft + kDiagramSide, panel.bottom, kBlack);
}

void draw_bars(Canvas& canvas, const Panel& panel, std::span<const double> heights, Color color) {
  const auto n = static_cast<double>(heights.size());
  for (std::size_t i = 0; i < heights.size(); ++i) {
    const std::int64_t from = panel.x(static_cast<double>(i) / n);
    const std::int64_t to = panel.x(static_cast<double>(i + 1) / n);
    const std::int64_t top = panel.y(heights[i]);
    canvas.fill_rect(from + 1, top, to - from - 1, panel.bottom - top, color, kDiagramOpacity);
  }
}

// Dots at (confidence, accuracy) of each bin; above the diagonal the classifier is underconfident.
void draw_dots(Canvas& canvas, const Panel& panel, std::span<const ReliabilityBin> bins) {
  constexpr std::int64_t kRadius = 3;
  for (const ReliabilityBin& bin : bins) {
    if (bin.count == 0) continue;
    canvas.fill_rect(panel.x(bin.confidence) - kRadius, panel.y(bin.accuracy) - kRadius,
                     2 * kRadius + 1, 2 * kRadius + 1, kOrange);
  }
}

void draw_probabilities(Canvas& canvas, std::int64_t bottom) {
  for (double share = 0; share <= 1.001; share += 0.2) {
    const std::int64_t x = kDiagramLeft + pixels(share, kDiagramSide);
    const std::string label = fmt::format("{:.1f}", share);
    canvas.line(x, bottom, x, bottom + chart::kTick, kBlack);
    canvas.text(x - text_width(label, chart::kLetterScale) / 2, bottom + 2 * chart::kTick, label,
                kBlack, chart::kLetterScale);
  }
  const std::string unit = "probability of the predicted class";
  canvas.text(kDiagramLeft + (kDiagramSide - text_width(unit, chart::kLetterScale)) / 2,
              bottom + 3 * chart::kTick + text_height(chart::kLetterScale), unit, kBlack,
              chart::kLetterScale);
}

}  // namespace

Png write_reliability(const std::filesystem::path& path, std::span<const ReliabilityBin> bins,
                      const std::string& title) {
  std::vector<double> accuracies;
  std::vector<double> shares;
  double all = 0;
  for (const ReliabilityBin& bin : bins) all += bin.count;
  VALLEY_CHECK(all > 0);
  for (const ReliabilityBin& bin : bins) {
    accuracies.push_back(bin.accuracy);
    shares.push_back(bin.count / all);
  }
  const std::int64_t top = 2 * chart::kGap + text_height(chart::kLetterScale) + chart::kGap;
  const Panel diagram{top + kDiagramSide, kDiagramSide};
  const Panel counts{diagram.bottom + 3 * chart::kGap + kCounts, kCounts};
  const std::int64_t width =
      kDiagramLeft + std::max(kDiagramSide + kDiagramLeft / 2,
                              text_width(title, chart::kLetterScale) + chart::kGap);
  Canvas canvas(
      width, counts.bottom + 4 * chart::kTick + 2 * text_height(chart::kLetterScale) + chart::kGap);
  canvas.text(kDiagramLeft, chart::kGap, title, kBlack, chart::kLetterScale);
  draw_frame(canvas, diagram, 0.2);
  draw_bars(canvas, diagram, accuracies, kBlue);
  canvas.line(diagram.x(0), diagram.y(0), diagram.x(1), diagram.y(1), kGray);
  draw_dots(canvas, diagram, bins);
  canvas.text(kDiagramLeft + chart::kGap, diagram.y(1) + chart::kGap, "accuracy", kBlack,
              chart::kLetterScale);
  draw_frame(canvas, counts, 0.5);
  draw_bars(canvas, counts, shares, kGray);
  canvas.text(kDiagramLeft + chart::kGap, counts.y(1) + chart::kGap, "share of images", kBlack,
              chart::kLetterScale);
  draw_probabilities(canvas, counts.bottom);
  return canvas.save(path);
}

}  // namespace valley
