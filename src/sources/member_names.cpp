#include "sources/member_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/numbers.h"
#include "core/text.h"

namespace valley {
namespace {

constexpr std::array<std::string_view, 5> kExtensions{".png", ".jpg", ".jpeg", ".jpe", ".webp"};
constexpr std::size_t kMaxPaths = 1'000'000;

std::string_view last_part(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Parts of a path between slashes.
std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

[[noreturn]] void fail_braces(const std::string& pattern, const std::string& what) {
  throw Error(ExitCode::kUsage, "{}: {}; write {{000..146}} or {{a,b}}", pattern, what);
}

// "000..146" as 000, 001, ...; "a,b" as a and b.
std::vector<std::string> alternatives_of(std::string_view inside, const std::string& pattern) {
  if (const auto dots = inside.find(".."); dots != std::string_view::npos) {
    const std::string_view from = inside.substr(0, dots);
    const auto first = parse_number<std::uint64_t>(from);
    const auto last = parse_number<std::uint64_t>(inside.substr(dots + 2));
    if (!first || !last || *last < *first)
      fail_braces(pattern, "the braces hold no range of growing numbers");
    if (*last - *first >= kMaxPaths)
      fail_braces(pattern, "the range has more than a million paths");
    std::vector<std::string> all;
    for (std::uint64_t i = *first; i <= *last; ++i)
      all.push_back(fmt::format("{:0{}}", i, from.size()));
    return all;
  }
  std::vector<std::string> all;
  while (true) {
    const auto comma = inside.find(',');
    all.emplace_back(inside.substr(0, comma));
    if (comma == std::string_view::npos) return all;
    inside.remove_prefix(comma + 1);
  }
}

std::string describe_others(const std::map<std::string, std::uint64_t>& others) {
  std::uint64_t total = 0;
  std::vector<std::pair<std::uint64_t, std::string>> kinds;
  for (const auto& [extension, files] : others) {
    total += files;
    kinds.emplace_back(files, extension.empty() ? "no extension" : escaped_name(extension));
  }
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, kinds.size()); ++i)
    text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", kinds[i].second, kinds[i].first);
  if (kinds.size() > kShown) text += ", ...";
  return fmt::format("{} skipped, whose {} not end like that of an image ({})",
                     total == 1 ? "1 file is" : fmt::format("{} files are", total),
                     total == 1 ? "name does" : "names do", text);
}

}  // namespace

std::string extension_of(std::string_view name) {
  const std::string_view last = last_part(name);
  const auto dot = last.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? "" : std::string(last.substr(dot));
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::string lower_extension_of(std::string_view name) { return lower_case(extension_of(name)); }

bool has_image_extension(std::string_view name) {
  return std::ranges::find(kExtensions, lower_extension_of(name)) != kExtensions.end();
}

std::string clean_path(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  return std::string(path);
}

std::optional<Reject> reject_unsafe(std::string_view path) {
  if (path.empty()) return Reject{"unsafe path", "it has no name"};
  if (path.starts_with('/')) return Reject{"unsafe path", "it is absolute"};
  const std::vector<std::string_view> parts = parts_of(path);
  if (std::ranges::find(parts, "..") != parts.end())
    return Reject{"unsafe path", "it leads out of the archive"};
  return std::nullopt;
}

bool is_hidden(std::string_view path) {
  return std::ranges::any_of(parts_of(path), [](std::string_view part) {
    return part == "__MACOSX" || (part.starts_with('.') && part != "." && part != "..");
  });
}

std::string_view sample_key(std::string_view path) {
  const std::size_t begin = path.size() - last_part(path).size();
  return path.substr(0, path.find('.', begin));
}

std::vector<std::string> expand_braces(const std::string& pattern) {
  const auto open = pattern.find('{');
  if (open == std::string::npos) return {pattern};
  const auto close = pattern.find('}', open);
  if (close == std::string::npos) fail_braces(pattern, "a brace is not closed");
  const std::string_view all = pattern;
  std::vector<std::string> paths;
  for (const std::string& one : alternatives_of(all.substr(open + 1, close - open - 1), pattern)) {
    for (const std::string& rest : expand_braces(pattern.substr(close + 1)))
      paths.push_back(pattern.substr(0, open) + one + rest);
    if (paths.size() > kMaxPaths) fail_braces(pattern, "it has more than a million paths");
  }
  return paths;
}

bool is_image_name(std::string_view name) {
  return !name.empty() && is_utf8(name) &&
         std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

std::vector<std::string> describe_skipped(const SkippedFiles& skipped) {
  std::vector<std::string> notes;
  if (!skipped.others.empty()) notes.push_back(describe_others(skipped.others));
  if (skipped.hidden > 0)
    notes.push_back(fmt::format("{} hidden {} skipped", skipped.hidden,
                                skipped.hidden == 1 ? "entry is" : "entries are"));
  return notes;
}

std::vector<std::size_t> sort_entries(std::vector<FileEntry>& entries) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {},
                           [&](std::size_t i) -> const std::string& { return entries[i].path; });
  std::vector<FileEntry> sorted;
  sorted.reserve(entries.size());
  for (const std::size_t i : order) {
    const bool repeats = !sorted.empty() && sorted.back().path == entries[i].path;
    sorted.push_back(std::move(entries[i]));
    if (repeats)
      sorted.back().reject = Reject{"duplicate path",
                                    "the first one is stored; archives with equal "
                                    "names need a --source each"};
  }
  entries = std::move(sorted);
  return order;
}

}  // namespace valley
