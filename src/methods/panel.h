// Plots of a report: related metrics under one title.
#pragma once

#include <string>
#include <vector>

namespace valley {

struct Trace {
  std::string key;    // name of the metric; its quantiles are KEY/q05 and so on
  std::string label;  // for the legend
  // Decides the color: "real", "fake", "margin", "floor", "D", "G", or "" (by the place in the
  // panel).
  std::string role;
};

struct Panel {
  std::string section;
  std::string title;
  std::string note;  // one or two sentences about the metric; may be empty
  std::string unit;
  std::vector<Trace> traces;
  bool is_energy = false;       // has the unit of the method's energies
  bool follows_energy = false;  // its size depends on that unit
  bool marks_cuts = false;      // marks the steps at which the margin was lowered
  double reference = 0;         // a horizontal line at this value, if has_reference
  bool has_reference = false;
};

// Sections that methods may add panels to.
inline constexpr const char* kEnergySection = "Energy";
inline constexpr const char* kControlSection = "Control";

}  // namespace valley
