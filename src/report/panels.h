// Which plots a page has: the figures that belong together, under what title and in what order.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace valley::report {

struct Trace {
  std::string key;    // in Stats::series; its quantiles are KEY/q05 and so on
  std::string label;  // of the legend
  // What it shows, which decides its colour: "real", "fake", "margin", "floor", "D", "G" or "" (by
  // its place in the panel).
  std::string role;
};

struct Panel {
  std::string section;
  std::string title;
  std::string note;  // a sentence or two on what it shows; may be empty
  std::string unit;
  std::vector<Trace> traces;
  bool is_energy = false;       // has the unit of objective.energy
  bool follows_energy = false;  // its size depends on that unit
  bool marks_cuts = false;      // of the margin
  double reference = 0;         // a line across at this value, where has_reference
  bool has_reference = false;
};

// For the names of all figures that the runs have: the known ones where they belong, others in the
// section "Other", grouped by what stands before their first "/". Each is in a panel at most once
// but for the margin, which stands beside the energies too.
[[nodiscard]] std::vector<Panel> panels_for(const std::set<std::string>& keys);

}  // namespace valley::report
