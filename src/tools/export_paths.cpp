#include "tools/export_paths.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "sources/member_names.h"

namespace valley {
namespace {

constexpr std::size_t kMaxPartBytes = 200;   // file systems allow 255; "-12.png" may be added
constexpr std::size_t kMaxPathBytes = 1000;  // the smallest limit of common systems is 1,024

// At most `max` bytes, without a part of a UTF-8 character at the end.
std::string_view cut_utf8(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text;
  while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xC0U) == 0x80U) --max;
  return text.substr(0, max);
}

std::string safe_part(std::string_view part) {
  constexpr std::string_view kForbidden = "\\:*?\"<>|";
  std::string safe(cut_utf8(part, kMaxPartBytes));
  for (char& c : safe)
    if (kForbidden.find(c) != std::string_view::npos || static_cast<unsigned char>(c) < 0x20 ||
        c == 0x7F)
      c = '_';
  if (safe.empty()) return "_";
  if (safe.front() == '.') safe.front() = '_';
  if (safe.back() == '.' || safe.back() == ' ') safe.back() = '_';
  return safe == "__MACOSX" ? "_MACOSX" : safe;
}

std::string with_png(std::string_view part) {
  const std::string extension = extension_of(part);
  if (lower_case(extension) == ".png") return safe_part(part);
  if (has_image_extension(part)) part.remove_suffix(extension.size());
  return safe_part(part) + ".png";
}

std::string safe_path(std::string_view name) {
  std::string path;
  for (auto slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/')) {
    path += safe_part(name.substr(0, slash)) + "/";
    name.remove_prefix(slash + 1);
  }
  path += with_png(name);
  // A long last part lost its ending.
  return path.ends_with(".png") || path.ends_with(".PNG") || has_image_extension(path)
             ? path
             : path + ".png";
}

// Paths that are taken, in lower case.
class TakenPaths {
 public:
  // False if the path or one of its folders is taken by a file, or the path by a folder.
  bool take(const std::string& path) {
    const std::string key = lower_case(path);
    if (files_.contains(key) || folders_.contains(key)) return false;
    for (auto slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1))
      if (files_.contains(key.substr(0, slash))) return false;
    for (auto slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1))
      folders_.insert(key.substr(0, slash));
    files_.insert(key);
    return true;
  }

 private:
  std::unordered_set<std::string> files_;
  std::unordered_set<std::string> folders_;
};

std::string numbered(std::string_view path, std::uint64_t number) {
  const std::string extension = extension_of(path);
  path.remove_suffix(extension.size());
  return fmt::format("{}-{}{}", path, number, extension);
}

}  // namespace

std::vector<std::string> export_paths(const std::vector<std::string>& names) {
  std::vector<std::string> paths(names.size());
  TakenPaths taken;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (safe_path(names[i]) == names[i] && names[i].size() <= kMaxPathBytes && taken.take(names[i]))
      paths[i] = names[i];
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!paths[i].empty()) continue;
    std::string path = safe_path(names[i]);
    if (path.size() > kMaxPathBytes) path = fmt::format("image-{:08}.png", i);
    std::string free = path;
    for (std::uint64_t number = 2; !taken.take(free); ++number) {
      constexpr std::uint64_t kMaxTries = 1000;  // more only where a folder's name is a file's
      if (number == kMaxTries) path = fmt::format("image-{:08}.png", i);
      free = numbered(path, number);
    }
    paths[i] = std::move(free);
  }
  return paths;
}

}  // namespace valley
