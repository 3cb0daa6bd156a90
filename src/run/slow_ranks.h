// Warnings about ranks that are slower than the others for a long time. Runs on rank 0.
//
// On CPUs the time of a rank is its computation and waiting for images, relative to the median of
// the other ranks. On GPUs it is waiting for images alone, relative to the median time of a step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run/step_times.h"
#include "run/watch.h"

namespace valley {

class SlowRanks {
 public:
  static constexpr double kMargin = 0.15;     // share of the reference time
  static constexpr double kMinSeconds = 4;    // reports are joined until they last that long
  static constexpr int kInARow = 3;           // joined reports above the margin, until a warning
  static constexpr double kRecovered = 0.07;  // below it kInARow times, a rank has recovered

  explicit SlowRanks(bool computes_on_host) : computes_on_host_(computes_on_host) {}

  // Warnings that begin with this report ("slow-rank"), or end with it ("recovery").
  [[nodiscard]] std::vector<RunWarning> report(std::int64_t step, const JobReport& found);

 private:
  // Seconds of one rank.
  struct Sums {
    double compute = 0, data = 0, total = 0;
    void add(const Sums& other);
  };
  // A rank, since its last joined report on the other side of the margin.
  struct Rank {
    Sums joined;  // the reports joined so far
    Sums streak, typical;
    std::int64_t streak_since = 0;  // step
    std::int64_t streak_steps = 0;
    int above = 0, below = 0;  // joined reports in a row
    bool is_slow = false;
  };
  [[nodiscard]] double time_of(const Sums& sums) const {
    return (computes_on_host_ ? sums.compute : 0) + sums.data;
  }
  [[nodiscard]] Sums typical_of_others(std::size_t rank) const;
  void judge(std::size_t rank, std::vector<RunWarning>& out);
  [[nodiscard]] RunWarning describe(std::size_t rank) const;

  bool computes_on_host_;
  std::vector<Rank> ranks_;
  std::vector<std::string> hosts_;
  std::int64_t joined_since_ = 0;  // step before the first joined one
  std::int64_t joined_steps_ = 0;
};

}  // namespace valley
