// Differences between the monotonic clocks of the hosts of a job.
//
// Method: no rank leaves a barrier before every rank has entered it. With a_r and b_r the times
// when rank r entered and left, on its own clock, the offset d_r = clock of rank r - clock of rank
// 0 satisfies a_r - b_0 <= d_r <= b_r - a_0. Each barrier gives one such interval, and the offset
// lies in all of them, so that their intersection bounds it whatever the delays were.
#pragma once

#include <vector>

#include "comm/communicator.h"

namespace valley {

struct ClockOffset {
  double seconds = 0;  // the clock of this rank minus that of rank 0
  double error = 0;    // bound on the error of `seconds`; 0 for ranks with the clock of rank 0
};

// When a rank entered and left a barrier.
struct BarrierTimes {
  double entered = 0;
  double left = 0;
};

// The offset from the times of the same barriers on rank 0 and on another rank. `same_clock`: the
// ranks run on one host, whose clock they share unless the intervals exclude that (processes in
// different time namespaces).
[[nodiscard]] ClockOffset clock_offset(const std::vector<BarrierTimes>& of_rank_zero,
                                       const std::vector<BarrierTimes>& of_rank, bool same_clock);

// Collective, on the host communicator: a few dozen barriers. One per rank, on every rank.
[[nodiscard]] std::vector<ClockOffset> measure_clock_offsets(Communicator& host);

}  // namespace valley
