#include "record/captioned_images.h"

#include <algorithm>
#include <cstddef>

#include "core/error.h"
#include "record/canvas.h"
#include "record/chart_style.h"

namespace valley {
namespace {

constexpr std::int64_t kLine = 11;          // distance between lines of a caption
constexpr std::int64_t kMinImageSide = 64;  // minimum side after enlarging
constexpr std::int64_t kTitle = 26;         // distance from a title to the images

// Sizes in pixels, equal in all blocks.
struct CaptionLayout {
  std::int64_t zoom;
  std::int64_t image_width;
  std::int64_t cell_width;
  std::int64_t cell_height;
  std::int64_t columns;

  [[nodiscard]] std::int64_t rows(const CaptionedBlock& block) const {
    return (static_cast<std::int64_t>(block.images.size()) + columns - 1) / columns;
  }
  [[nodiscard]] std::int64_t block_height(const CaptionedBlock& block) const {
    return kTitle + rows(block) * cell_height + chart::kGap;
  }
};

CaptionLayout caption_layout(const std::vector<CaptionedBlock>& blocks, std::int64_t height,
                             std::int64_t width, std::int64_t columns) {
  CaptionLayout layout{};
  layout.zoom = std::max<std::int64_t>(1, (kMinImageSide + width - 1) / width);
  layout.image_width = width * layout.zoom;
  layout.columns = 1;
  std::int64_t widest = layout.image_width;
  std::size_t lines = 0;
  for (const CaptionedBlock& block : blocks) {
    layout.columns =
        std::max(layout.columns, std::min(columns, static_cast<std::int64_t>(block.images.size())));
    for (const CaptionedImage& image : block.images) {
      lines = std::max(lines, image.lines.size());
      for (const std::string& line : image.lines) widest = std::max(widest, text_width(line));
    }
  }
  // Long captions are truncated; otherwise they would widen all columns.
  layout.cell_width = std::min(widest, 2 * layout.image_width) + chart::kGap;
  layout.cell_height =
      height * layout.zoom + kLine / 2 + static_cast<std::int64_t>(lines) * kLine + chart::kGap;
  return layout;
}

void draw_image(Canvas& canvas, const CaptionLayout& layout, const CaptionedImage& image,
                std::int64_t x, std::int64_t y, const ImageView& view) {
  const std::int64_t inside = layout.cell_width - chart::kGap;
  canvas.blit(x + (inside - layout.image_width) / 2, y, view, layout.zoom);
  std::int64_t line_y = y + view.height * layout.zoom + kLine / 2;
  for (const std::string& line : image.lines) {
    const std::string shown = cut_to_width(line, inside);
    canvas.text(x + (inside - text_width(shown)) / 2, line_y, shown);
    line_y += kLine;
  }
}

}  // namespace

Png write_captioned(const std::filesystem::path& path, const std::vector<CaptionedBlock>& blocks,
                    std::int64_t height, std::int64_t width, std::int64_t channels,
                    std::int64_t columns) {
  VALLEY_CHECK(!blocks.empty() && columns > 0);
  const CaptionLayout layout = caption_layout(blocks, height, width, columns);
  std::int64_t total_height = chart::kGap;
  std::int64_t total_width = chart::kGap + layout.columns * layout.cell_width;
  for (const CaptionedBlock& block : blocks) {
    total_height += layout.block_height(block);
    total_width =
        std::max(total_width, 2 * chart::kGap + text_width(block.title, chart::kLetterScale));
  }
  Canvas canvas(total_width, total_height);
  std::int64_t top = chart::kGap;
  for (const CaptionedBlock& block : blocks) {
    canvas.text(chart::kGap, top, block.title, kBlack, chart::kLetterScale);
    for (std::size_t i = 0; i < block.images.size(); ++i) {
      const auto cell = static_cast<std::int64_t>(i);
      draw_image(canvas, layout, block.images[i],
                 chart::kGap + cell % layout.columns * layout.cell_width,
                 top + kTitle + cell / layout.columns * layout.cell_height,
                 {block.images[i].pixels, height, width, channels});
    }
    top += layout.block_height(block);
  }
  return canvas.save(path);
}

}  // namespace valley
