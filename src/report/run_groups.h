// Runs whose settings differ in train.seed alone are one entry of a page: means over the seeds,
// with the 95 % t interval of the mean.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/run_files.h"

namespace valley::report {

// Half the width of the 95 % interval of the mean of `values`, at least two: t(n - 1) s / sqrt(n).
[[nodiscard]] double mean_interval(const std::vector<double>& values);

// The entries of a page in the order of their first runs. A run without another seed, or without
// settings, is an entry of its own, unchanged. A group has the settings, data and grids of its
// first run; its metrics are means at each step at which at least two seeds have a finite value.
// Sets `entry` of each run.
[[nodiscard]] std::vector<RunFiles> group_runs(std::vector<RunFiles>& runs);

// Number of entries that group_runs would return.
[[nodiscard]] std::size_t count_groups(const std::vector<RunFiles>& runs);

}  // namespace valley::report
