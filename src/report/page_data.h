// Data for the page's script, as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

inline constexpr std::size_t kMaxPoints = 1000;  // per curve

// An object:
//   runs    [{name, images_per_step, grids: {reals: image or null, fakes: [image]}}]
//           an image is {id, step, width, height}; the element with this id holds its bytes
//   axes    [[step, ...], ...]   referred to by index
//   panels  [{section, title, note, unit, facets, own_scale, reference, marks, traces}]
//           facets: one plot per run instead of one for all; own_scale: these plots have separate
//           value axes; marks: [{run, step, text}]
//           a trace is {run, label, role, axis, mean, low, high, bands, values, not_finite}; low
//           and high only if points are buckets; bands: [{axis, low, high}], the widest first
// Values are rounded to six digits; null: not finite.
[[nodiscard]] std::string page_data(const std::vector<RunFiles>& runs);

// Element id of an image of a run; `index`: into GridImages::fakes, or -1 for the real images.
[[nodiscard]] std::string grid_id(std::size_t run, int index);

}  // namespace valley::report
