#include "sources/font_source.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"
#include "core/hash.h"
#include "core/json_text.h"
#include "core/read_file.h"
#include "core/text.h"
#include "sources/codepoints.h"
#include "sources/folder_listing.h"
#include "sources/font_face.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

class FontReader final : public ImageReader {
 public:
  FontReader(FontFace face, std::vector<std::uint32_t> glyphs)
      : face_(std::move(face)), glyphs_(std::move(glyphs)) {}
  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t index) override {
    const std::uint32_t glyph = glyphs_[index];
    if (glyph == 0) return Reject{"no glyph", "the font has no glyph for this code point"};
    return face_.render(glyph);
  }

 private:
  FontFace face_;
  std::vector<std::uint32_t> glyphs_;
};

std::vector<fs::path> usual_folders() {
  std::vector<fs::path> folders{"/usr/share/fonts", "/usr/local/share/fonts"};
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    folders.emplace_back(fs::path(home) / ".fonts");
    folders.emplace_back(fs::path(home) / ".local/share/fonts");
  }
  return folders;
}

std::vector<fs::path> files_called(const std::string& name, const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code status;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         status);
  for (; !status && entry != fs::recursive_directory_iterator(); entry.increment(status)) {
    if (entry->path().filename() == name) found.push_back(entry->path());
  }
  if (status && fault_of(status.value()) != FileFault::kPath)
    throw file_error("searching the fonts of", folder.string(), status.value(), false);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

fs::path find_font(const std::string& named) { return find_font(named, usual_folders()); }

fs::path find_font(const std::string& named, const std::vector<fs::path>& folders) {
  if (is_there(named)) return named;
  const bool is_bare = fs::path(named).filename() == named;
  std::string searched;
  for (const fs::path& folder : folders) {
    if (!is_bare) break;
    const std::vector<fs::path> found = files_called(named, folder);
    if (!found.empty()) return found.front();
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  const bool is_emoji = fs::path(named).filename() == "NotoColorEmoji.ttf";
  throw Error(ExitCode::kMissingInput, "{}: no such file{}{}{}", named, tilde_hint(named),
              is_bare ? fmt::format("; also searched: {}", searched) : "",
              is_emoji ? "; on Debian and Ubuntu it is in the package fonts-noto-color-emoji "
                         "(apt-get install fonts-noto-color-emoji)"
                       : "");
}

FontSource::FontSource(const fs::path& file, FontOptions options)
    : file_name_(file.filename().string()),
      options_(std::move(options)),
      bytes_(std::make_shared<const std::string>(read_file(file))) {
  const FontFace face(bytes_, file.string(), options_.size, options_.on_white);
  const std::vector<char32_t> codepoints = face.codepoint_of_glyphs();
  const auto name_of = [&codepoints](std::uint32_t glyph) {
    return codepoints[glyph] != 0 ? codepoint_name(codepoints[glyph])
                                  : fmt::format("glyph-{:05}", glyph);
  };
  for (const char32_t codepoint : options_.codepoints)
    entries_.push_back({codepoint_name(codepoint), face.glyph_of(codepoint)});
  if (!options_.codepoints.empty()) return;
  // Glyph 0 is drawn for missing glyphs.
  for (std::uint32_t glyph = 1; glyph < face.glyph_count(); ++glyph) {
    if (face.has_ink(glyph)) entries_.push_back({name_of(glyph), glyph});
  }
}

std::string FontSource::identity_json() const {
  std::vector<std::uint32_t> codepoints(options_.codepoints.begin(), options_.codepoints.end());
  // Escaped, not replaced, so that names that differ in invalid UTF-8 stay different.
  const std::string name = is_utf8(file_name_) ? file_name_ : escaped_name(file_name_);
  return write_json(nlohmann::ordered_json{{"kind", "font"},
                                           {"file", name},
                                           {"sha256", sha256_hex(as_bytes(*bytes_))},
                                           {"codepoints", codepoints}});
}

std::unique_ptr<ImageReader> FontSource::open_reader() const {
  std::vector<std::uint32_t> glyphs;
  glyphs.reserve(entries_.size());
  for (const Entry& entry : entries_) glyphs.push_back(entry.glyph);
  return std::make_unique<FontReader>(
      FontFace(bytes_, file_name_, options_.size, options_.on_white), std::move(glyphs));
}

}  // namespace valley
