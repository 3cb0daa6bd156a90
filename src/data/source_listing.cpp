#include "data/source_listing.h"

#include <unordered_map>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/read_file.h"

namespace valley {
namespace {

using Lines = std::vector<std::pair<std::string_view, std::string_view>>;  // name, attributes

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const auto tab = line.find('\t');
    if (tab != std::string_view::npos)
      lines.emplace_back(line.substr(tab + 1), line.substr(0, tab));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return lines;
}

// Differences of one kind: their number and the first few.
class Differences {
 public:
  explicit Differences(std::string what) : what_(std::move(what)) {}
  void add(const std::string& text) {
    constexpr std::uint64_t kShown = 5;
    if (++count_ <= kShown) shown_ += "\n    " + text;
  }
  [[nodiscard]] std::string text() const {
    return count_ == 0 ? "" : fmt::format("\n  {}: {}{}", what_, count_, shown_);
  }

 private:
  std::string what_;
  std::uint64_t count_ = 0;
  std::string shown_;
};

std::string compare(const Lines& before, const Lines& now) {
  std::unordered_map<std::string_view, std::string_view> known(before.begin(), before.end());
  Differences added("added");
  Differences changed("changed");
  Differences removed("removed");
  for (const auto& [name, attributes] : now) {
    const auto found = known.extract(name);
    if (found.empty())
      added.add(std::string(name));
    else if (found.mapped() != attributes)
      changed.add(fmt::format("{} ({}; now {})", name, found.mapped(), attributes));
  }
  for (const auto& [name, attributes] : before) {
    if (known.contains(name)) removed.add(std::string(name));
  }
  return added.text() + changed.text() + removed.text();
}

}  // namespace

void keep_listing(const std::filesystem::path& directory, const std::string& listing) {
  if (!listing.empty()) write_file(directory / kListingFile, listing);
}

void require_same_listing(const std::filesystem::path& directory, const std::string& now) {
  if (now.empty() || !is_there(directory / kListingFile)) return;
  const std::string before = read_file(directory / kListingFile);
  if (before == now) return;
  throw Error(ExitCode::kUsage,
              "the source changed since the build in {} began, so it cannot be resumed:{}\nRestore "
              "the source, or rebuild with --overwrite",
              directory.string(), compare(lines_of(before), lines_of(now)));
}

void remove_listing(const std::filesystem::path& directory) {
  std::error_code ignored;
  std::filesystem::remove(directory / kListingFile, ignored);
}

}  // namespace valley
