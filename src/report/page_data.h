// What the page's script draws, as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

inline constexpr std::size_t kMostPoints = 1000;  // of a curve

// An object:
//   runs    [{name, images_per_step, grids: {reals: picture or null, fakes: [picture]}}]
//           a picture is {id, step, width, height}; the element of that id holds its bytes
//   axes    [[step, ...], ...]   which the curves below refer to by number
//   panels  [{section, title, note, unit, facets, own_scale, reference, marks, traces}]
//           facets: a plot for each run instead of one for all; own_scale: in these, each its own
//           axis of values; marks: [{run, step, text}]
//           a trace is {run, label, role, axis, mean, low, high, bands, values, not_finite}; low
//           and high only where points stand for buckets; bands: [{axis, low, high}], the widest
//           first
// Numbers are rounded to six digits; null is a number that is not finite.
[[nodiscard]] std::string page_data(const std::vector<RunFiles>& runs);

// The id of the element that holds a picture of a run; `index`: of Pictures::fakes, or -1 for the
// reals.
[[nodiscard]] std::string picture_id(std::size_t run, int index);

}  // namespace valley::report
