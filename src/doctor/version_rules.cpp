#include "doctor/version_rules.h"

#include <algorithm>
#include <charconv>

namespace valley::doctor {

std::vector<int> version_numbers(std::string_view text) {
  std::vector<int> numbers;
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  while (!text.empty()) {
    int value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc()) break;
    numbers.push_back(value);
    if (stop == end || *stop != '.') break;
    text.remove_prefix(static_cast<std::size_t>(stop + 1 - text.data()));
  }
  return numbers;
}

int compare_versions(std::string_view a, std::string_view b) {
  std::vector<int> left = version_numbers(a);
  std::vector<int> right = version_numbers(b);
  const std::size_t length = std::max(left.size(), right.size());
  left.resize(length);
  right.resize(length);
  if (left == right) return 0;
  return left < right ? -1 : 1;
}

Agreement agreement(std::string_view built, std::string_view loaded, std::size_t fixed) {
  if (compare_versions(built, loaded) == 0) return Agreement::kSame;
  std::vector<int> left = version_numbers(built);
  std::vector<int> right = version_numbers(loaded);
  left.resize(fixed);
  right.resize(fixed);
  return left == right ? Agreement::kCompatible : Agreement::kDifferent;
}

void judge_library(const Notes& notes, const Library& library) {
  notes.version(library.key, library.loaded);
  const std::string value = library.loaded + library.extra;
  switch (agreement(library.built, library.loaded, library.fixed_parts)) {
    case Agreement::kSame:
      notes.ok(library.name, value);
      break;
    case Agreement::kCompatible:
      notes.ok(library.name, fmt::format("{}; built against {}", value, library.built));
      break;
    case Agreement::kDifferent:
      notes.fail(ExitCode::kConfig, library.name,
                 fmt::format("{} is loaded, but this valley was built against {}", library.loaded,
                             library.built),
                 "build again on this host, or put the other version first on LD_LIBRARY_PATH");
      break;
  }
}

std::string libtorch_setting(const std::string& config, const std::string& name) {
  const std::size_t start = config.find(name + "=");
  if (start == std::string::npos) return "unknown";
  const std::size_t value = start + name.size() + 1;
  return config.substr(value, config.find_first_of(", \n", value) - value);
}

}  // namespace valley::doctor
