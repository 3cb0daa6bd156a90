// Compatibility of loaded libraries with those of the build. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "doctor/finding.h"

namespace valley::doctor {

// The components of "2.11.0" or "v4.1.4": {2, 11, 0}, up to the first that is not a number.
[[nodiscard]] std::vector<int> version_numbers(std::string_view text);

// -1, 0 or 1, by component. Missing components are zero: "580" equals "580.0".
[[nodiscard]] int compare_versions(std::string_view a, std::string_view b);

enum class Agreement {
  kSame,
  kCompatible,  // differs in other components
  kDifferent,
};
// The first `fixed` components must be equal: 1: major, 2: major and minor.
[[nodiscard]] Agreement agreement(std::string_view built, std::string_view loaded,
                                  std::size_t fixed);

struct Library {
  const char* name;         // in reports
  const char* key;          // in Checkup::versions
  std::string built;        // the version of its header
  std::string loaded;       // the version of the loaded library
  std::size_t fixed_parts;  // components of the version that must be equal
  std::string extra{};      // appended to the version
};
// Records the version; a failure (kConfig) if the loaded one is incompatible.
void judge_library(const Notes& notes, const Library& library);

// "2.11.0" for TORCH_VERSION from the text of at::show_config(); "unknown" if absent.
[[nodiscard]] std::string libtorch_setting(const std::string& config, const std::string& name);

}  // namespace valley::doctor
