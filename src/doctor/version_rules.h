// When a library that is loaded is not the one that was compiled against. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "doctor/finding.h"

namespace valley::doctor {

// The numbers of "2.11.0" or "v4.1.4": {2, 11, 0}; what is no number ends it.
[[nodiscard]] std::vector<int> version_numbers(std::string_view text);

// -1, 0 or 1, number by number; missing ones count as zero: "580" equals "580.0".
[[nodiscard]] int compare_versions(std::string_view a, std::string_view b);

enum class Agreement {
  kSame,
  kCompatible,  // differs in what may differ
  kDifferent,
};
// `fixed` numbers must agree: 1 the major, 2 major and minor.
[[nodiscard]] Agreement agreement(std::string_view built, std::string_view loaded,
                                  std::size_t fixed);

struct Library {
  const char* name;         // for people
  const char* key;          // in Checkup::versions
  std::string built;        // the version of its header
  std::string loaded;       // the version that answers
  std::size_t fixed_parts;  // numbers of the version that must agree
  std::string extra{};      // said after the version
};
// Notes the version; a failure (kConfig) when another is loaded than can be.
void judge_library(const Notes& notes, const Library& library);

// "2.11.0" for TORCH_VERSION of the text with which LibTorch describes itself; "unknown" without.
[[nodiscard]] std::string libtorch_setting(const std::string& config, const std::string& name);

}  // namespace valley::doctor
