#include "sources/font_face.h"

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kMaxGlyphPixels = std::int64_t{1} << 26U;

std::string freetype_message(::FT_Error status) {
  const char* text = ::FT_Error_String(status);
  return text != nullptr ? text : fmt::format("FreeType error {}", status);
}

// Sets pixel (x, y): coverage for one channel, the composite for three.
struct Ink {
  const ::FT_Bitmap& bitmap;
  std::uint8_t background;

  [[nodiscard]] std::int64_t channels() const {
    return bitmap.pixel_mode == FT_PIXEL_MODE_BGRA ? 3 : 1;
  }
  void draw(std::int64_t y, std::int64_t x, std::uint8_t* to) const {
    const std::uint8_t* row = bitmap.buffer + y * bitmap.pitch;
    if (bitmap.pixel_mode == FT_PIXEL_MODE_BGRA) {
      const std::uint8_t* bgra = row + 4 * x;  // colors are premultiplied
      const int behind = (255 - bgra[3]) * background / 255;
      for (int c = 0; c < 3; ++c)
        to[c] = static_cast<std::uint8_t>(std::min(255, bgra[2 - c] + behind));
      return;
    }
    const bool is_mono = bitmap.pixel_mode == FT_PIXEL_MODE_MONO;
    const int coverage = is_mono ? 255 * (row[x / 8] >> (7 - x % 8) & 1) : row[x];
    to[0] = static_cast<std::uint8_t>(std::abs(background - coverage));
  }
  void draw_all(Image& image, std::int64_t top, std::int64_t left) const {
    for (std::int64_t y = 0; y < bitmap.rows; ++y) {
      for (std::int64_t x = 0; x < bitmap.width; ++x)
        draw(y, x, image.row(top + y) + (left + x) * channels());
    }
  }
};

bool can_draw(const ::FT_Bitmap& bitmap) {
  return bitmap.pixel_mode == FT_PIXEL_MODE_BGRA || bitmap.pixel_mode == FT_PIXEL_MODE_MONO ||
         (bitmap.pixel_mode == FT_PIXEL_MODE_GRAY && bitmap.num_grays == 256);
}

}  // namespace

struct FontFace::Handles {
  ::FT_Library library = nullptr;
  ::FT_Face face = nullptr;
  Handles() = default;
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles() {
    if (face != nullptr) ::FT_Done_Face(face);
    if (library != nullptr) ::FT_Done_FreeType(library);
  }
};

FontFace::FontFace(std::shared_ptr<const std::string> bytes, std::string name, std::int64_t size,
                   bool on_white)
    : bytes_(std::move(bytes)),
      name_(std::move(name)),
      handles_(std::make_unique<Handles>()),
      on_white_(on_white) {
  ::FT_Error status = ::FT_Init_FreeType(&handles_->library);
  if (status == 0)
    status =
        ::FT_New_Memory_Face(handles_->library, reinterpret_cast<const ::FT_Byte*>(bytes_->data()),
                             static_cast<::FT_Long>(bytes_->size()), 0, &handles_->face);
  if (status != 0)
    throw Error(ExitCode::kData, "{} is not a font that FreeType can read: {}", name_,
                freetype_message(status));
  choose_size(size);
}

FontFace::~FontFace() = default;
FontFace::FontFace(FontFace&&) noexcept = default;

void FontFace::choose_size(std::int64_t size) {
  ::FT_Face face = handles_->face;
  const bool has_strikes = face->num_fixed_sizes > 0;
  uses_strikes_ = has_strikes && (FT_HAS_COLOR(face) || !FT_IS_SCALABLE(face));
  ::FT_Error status = 0;
  if (uses_strikes_) {
    int best = 0;
    const auto height = [face](int strike) { return face->available_sizes[strike].height; };
    for (int i = 1; i < face->num_fixed_sizes; ++i) {
      const bool best_is_enough = height(best) >= size;
      const bool is_better =
          best_is_enough ? height(i) >= size && height(i) < height(best) : height(i) > height(best);
      if (is_better) best = i;
    }
    status = ::FT_Select_Size(face, best);
  } else {
    ::FT_Size_RequestRec request{FT_SIZE_REQUEST_TYPE_REAL_DIM, 0, size * 64, 0, 0};
    status = ::FT_Request_Size(face, &request);
    cell_ = size;
    baseline_ = (::FT_MulFix(face->ascender, face->size->metrics.y_scale) + 32) / 64;
  }
  if (status != 0)
    throw Error(ExitCode::kData, "{} cannot be set to {} pixels: {}", name_, size,
                freetype_message(status));
}

std::uint32_t FontFace::glyph_count() const {
  return static_cast<std::uint32_t>(std::max<::FT_Long>(0, handles_->face->num_glyphs));
}

std::uint32_t FontFace::glyph_of(char32_t codepoint) const {
  return ::FT_Get_Char_Index(handles_->face, codepoint);
}

std::vector<char32_t> FontFace::codepoint_of_glyphs() const {
  std::vector<char32_t> codepoints(glyph_count(), 0);
  ::FT_UInt glyph = 0;
  for (::FT_ULong codepoint = ::FT_Get_First_Char(handles_->face, &glyph); glyph != 0;
       codepoint = ::FT_Get_Next_Char(handles_->face, codepoint, &glyph)) {
    if (glyph < codepoints.size() && codepoints[glyph] == 0)
      codepoints[glyph] = static_cast<char32_t>(codepoint);
  }
  return codepoints;
}

bool FontFace::has_ink(std::uint32_t glyph) const {
  ::FT_Face face = handles_->face;
  if (uses_strikes_)
    return ::FT_Load_Glyph(face, glyph, FT_LOAD_COLOR | FT_LOAD_BITMAP_METRICS_ONLY) == 0 &&
           face->glyph->bitmap.width > 0 && face->glyph->bitmap.rows > 0;
  return ::FT_Load_Glyph(face, glyph, FT_LOAD_NO_BITMAP | FT_LOAD_NO_HINTING) == 0 &&
         (face->glyph->format != FT_GLYPH_FORMAT_OUTLINE || face->glyph->outline.n_points > 0);
}

// Glyphs of hostile fonts are checked before they are decoded or drawn.
std::optional<Reject> FontFace::check_size(std::uint32_t glyph) const {
  ::FT_Face face = handles_->face;
  const ::FT_Int32 flags = uses_strikes_ ? FT_LOAD_COLOR | FT_LOAD_BITMAP_METRICS_ONLY
                                         : FT_LOAD_NO_BITMAP | FT_LOAD_NO_HINTING;
  const ::FT_Error status = ::FT_Load_Glyph(face, glyph, flags);
  if (status != 0) return Reject{"cannot be rendered", freetype_message(status)};
  std::int64_t width = face->glyph->bitmap.width;
  std::int64_t height = face->glyph->bitmap.rows;
  if (face->glyph->format == FT_GLYPH_FORMAT_OUTLINE) {
    ::FT_BBox box{};
    ::FT_Outline_Get_CBox(&face->glyph->outline, &box);
    // The cell grows to hold all ink, so a distant dot makes it large.
    width = std::max(std::abs(box.xMin), std::abs(box.xMax)) / 64;
    height = std::max(std::abs(box.yMin), std::abs(box.yMax)) / 64;
  }
  const std::int64_t side = std::max({width, height, std::int64_t{1}});
  const std::int64_t pixels = uses_strikes_ ? width * height : side * side;
  if (pixels > kMaxGlyphPixels)
    return Reject{"too large", fmt::format("about {} x {} pixels", width, height)};
  return std::nullopt;
}

Image FontFace::draw_in_cell() const {
  const ::FT_GlyphSlot slot = handles_->face->glyph;
  const Ink ink{slot->bitmap, static_cast<std::uint8_t>(on_white_ ? 255 : 0)};
  const std::int64_t height = slot->bitmap.rows;
  const std::int64_t width = slot->bitmap.width;
  const std::int64_t top = baseline_ - slot->bitmap_top;
  const std::int64_t outside =
      std::max({std::int64_t{0}, -top, top + height - cell_, (width - cell_ + 1) / 2});
  const std::int64_t side = cell_ + 2 * outside;
  Image image(side, side, ink.channels(), ink.background);
  ink.draw_all(image, top + outside, (side - width) / 2);
  return image;
}

std::variant<Image, Reject> FontFace::render(std::uint32_t glyph) const {
  if (std::optional<Reject> reject = check_size(glyph)) return *std::move(reject);
  ::FT_Face face = handles_->face;
  const ::FT_Int32 flags =
      FT_LOAD_RENDER | FT_LOAD_COLOR |
      (uses_strikes_ ? FT_LOAD_DEFAULT : FT_LOAD_NO_BITMAP | FT_LOAD_NO_HINTING);
  const ::FT_Error status = ::FT_Load_Glyph(face, glyph, flags);
  if (status != 0) return Reject{"cannot be rendered", freetype_message(status)};
  const ::FT_Bitmap& bitmap = face->glyph->bitmap;
  if (bitmap.width == 0 || bitmap.rows == 0) return Reject{"empty", "the glyph shows nothing"};
  if (!can_draw(bitmap))
    return Reject{"cannot be rendered", fmt::format("pixel mode {}", int{bitmap.pixel_mode})};
  if (!uses_strikes_) return draw_in_cell();
  const Ink ink{bitmap, static_cast<std::uint8_t>(on_white_ ? 255 : 0)};
  Image image(bitmap.rows, bitmap.width, ink.channels());
  ink.draw_all(image, 0, 0);
  return image;
}

}  // namespace valley
