// The findings of a check.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "doctor/finding.h"

namespace valley::doctor {

inline Checkup collected(const std::function<void(const Notes&)>& check) {
  Checkup checkup;
  check(Notes("group", [&](const std::string& line) { add_line(checkup, line); }));
  return checkup;
}

// The one finding of that name.
inline Finding named(const Checkup& checkup, const std::string& name) {
  for (const Finding& f : checkup.findings) {
    if (f.name == name) return f;
  }
  ADD_FAILURE() << "no finding is named " << name;
  return {};
}

}  // namespace valley::doctor
