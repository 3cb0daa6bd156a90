#include <ft2build.h>
#include FT_FREETYPE_H
#include <png.h>

#include <array>

#include "doctor/checks.h"
#include "doctor/version_rules.h"
#include "image/codecs.h"
#include "sources/font_source.h"

namespace valley::doctor {
namespace {

// libpng is also compared with its header version below; other codecs report their versions.
void check_codecs(const Notes& notes) {
  for (const ImageCodec& codec : image_codecs()) {
    if (codec.format == "PNG") continue;
    if (codec.available) {
      notes.ok(codec.format, codec.library);
      notes.version(codec.format, codec.library);
    } else {
      notes.warn(codec.format, "not in this build: `valley shard build` rejects such files",
                 fmt::format("install {} and build again", codec.package));
    }
  }
}

void check_emoji_font(const Notes& notes) {
  try {
    notes.ok("emoji font", find_font("NotoColorEmoji.ttf").string());
  } catch (const Error& error) {
    notes.warn(
        "emoji font", "NotoColorEmoji.ttf is not installed",
        "only the quickstart needs it: apt-get install fonts-noto-color-emoji, or pass another "
        "font to `valley shard build --source`");
  }
}

}  // namespace

void check_images(const Notes& notes) {
  check_codecs(notes);
  judge_library(notes, {"libpng", "libpng", PNG_LIBPNG_VER_STRING, png_get_libpng_ver(nullptr), 2});
  ::FT_Library library = nullptr;
  if (::FT_Init_FreeType(&library) == 0) {
    std::array<int, 3> version{};
    ::FT_Library_Version(library, &version[0], &version[1], &version[2]);
    ::FT_Done_FreeType(library);
    judge_library(notes, {"FreeType", "freetype",
                          fmt::format("{}.{}.{}", FREETYPE_MAJOR, FREETYPE_MINOR, FREETYPE_PATCH),
                          fmt::format("{}.{}.{}", version[0], version[1], version[2]), 1});
  }
  check_emoji_font(notes);
}

}  // namespace valley::doctor
