#include "run/slow_ranks.h"

#include <fmt/core.h>

namespace valley {

void SlowRanks::Sums::add(const Sums& other) {
  compute += other.compute;
  data += other.data;
  total += other.total;
}

std::vector<RunWarning> SlowRanks::report(std::int64_t step, const JobReport& found) {
  std::vector<RunWarning> out;
  if (found.ranks.size() < 2) return out;
  ranks_.resize(found.ranks.size());
  hosts_.clear();
  const auto steps = static_cast<double>(found.steps);
  if (joined_steps_ == 0) joined_since_ = step - found.steps;
  joined_steps_ += found.steps;
  std::vector<double> totals;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    const RankTimes& t = found.ranks[r];
    hosts_.push_back(t.host);
    ranks_[r].joined.add(
        {steps * t.compute, steps * t.data, steps * (t.compute + t.wait + t.data)});
    totals.push_back(ranks_[r].joined.total);
  }
  if (median(totals) < kMinSeconds) return out;
  for (std::size_t r = 0; r < ranks_.size(); ++r) judge(r, out);
  for (Rank& rank : ranks_) rank.joined = {};
  joined_steps_ = 0;
  return out;
}

SlowRanks::Sums SlowRanks::typical_of_others(std::size_t rank) const {
  std::vector<double> compute, data, total;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (r == rank) continue;
    compute.push_back(ranks_[r].joined.compute);
    data.push_back(ranks_[r].joined.data);
    total.push_back(ranks_[r].joined.total);
  }
  return {median(compute), median(data), median(total)};
}

void SlowRanks::judge(std::size_t rank, std::vector<RunWarning>& out) {
  Rank& r = ranks_[rank];
  const Sums typical = typical_of_others(rank);
  const double reference = computes_on_host_ ? time_of(typical) : typical.total;
  const double excess = time_of(r.joined) - time_of(typical);
  const bool is_above = excess > kMargin * reference;
  r.below = excess < kRecovered * reference ? r.below + 1 : 0;
  if (!is_above) {
    r.above = 0;
  } else {
    if (r.above++ == 0) {
      r.streak = r.typical = {};
      r.streak_since = joined_since_;
      r.streak_steps = 0;
    }
    r.streak.add(r.joined);
    r.typical.add(typical);
    r.streak_steps += joined_steps_;
  }
  if (!r.is_slow && r.above >= kInARow) {
    r.is_slow = true;
    out.push_back(describe(rank));
  } else if (r.is_slow && r.below >= kInARow) {
    r.is_slow = false;
    out.push_back({"recovery", fmt::format("rank {} (host {}) is no longer slower than the others",
                                           rank, hosts_[rank])});
  }
}

RunWarning SlowRanks::describe(std::size_t rank) const {
  constexpr double kMilliseconds = 1e3;
  constexpr double kPercent = 100;
  const Rank& r = ranks_[rank];
  const double more_compute = r.streak.compute - r.typical.compute;
  const double more_data = r.streak.data - r.typical.data;
  const bool is_data = !computes_on_host_ || more_data > more_compute;
  const double scale = kMilliseconds / static_cast<double>(r.streak_steps);
  const double own = scale * (is_data ? r.streak.data : r.streak.compute);
  const double others = scale * (is_data ? r.typical.data : r.typical.compute);
  const double reference = computes_on_host_ ? time_of(r.typical) : r.typical.total;
  const double percent = kPercent * (time_of(r.streak) - time_of(r.typical)) / reference;
  return {
      "slow-rank",
      fmt::format(
          "rank {} (host {}) has been slower than the others since step {}: it {} {:.4g} ms per "
          "step, the median of the others {:.4g} ms. Its steps take {:.0f} % longer, and the "
          "others wait for it: {}",
          rank, hosts_[rank], r.streak_since, is_data ? "waits for images for" : "computes for",
          own, others, percent,
          is_data ? "check the disk or file server of data.path on that host, and "
                    "data.decode_threads"
                  : "check that host for other processes, for the binding of ranks to cores, "
                    "and for a lower clock")};
}

}  // namespace valley
