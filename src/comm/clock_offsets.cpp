#include "comm/clock_offsets.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "comm/gather.h"
#include "core/hash.h"
#include "flight/flight_recorder.h"

namespace valley {
namespace {

constexpr int kBarriers = 64;

// The same for all processes that run on one kernel, and for no others.
std::int64_t kernel_id() {
  std::string text;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), text);
  return static_cast<std::int64_t>(hash64(text));
}

}  // namespace

ClockOffset clock_offset(const std::vector<BarrierTimes>& of_rank_zero,
                         const std::vector<BarrierTimes>& of_rank, bool same_clock) {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(of_rank_zero.size(), of_rank.size()); ++i) {
    low = std::max(low, of_rank[i].entered - of_rank_zero[i].left);
    high = std::min(high, of_rank[i].left - of_rank_zero[i].entered);
  }
  if (same_clock && low <= 0 && 0 <= high) return {0, 0};
  return {(low + high) / 2, (high - low) / 2};
}

std::vector<ClockOffset> measure_clock_offsets(Communicator& host) {
  const at::Tensor own = at::empty({2 * kBarriers}, at::kDouble);
  const at::Tensor kernel = at::empty({1}, at::kLong);
  *kernel.mutable_data_ptr<std::int64_t>() = kernel_id();
  for (int i = 0; i < kBarriers; ++i) {
    double* const times = own.mutable_data_ptr<double>() + 2 * i;
    times[0] = monotonic_seconds();
    host.barrier();
    times[1] = monotonic_seconds();
  }
  const at::Tensor all = gather_from_ranks(host, own);
  const at::Tensor kernels = gather_from_ranks(host, kernel);
  const auto times_of = [&](std::int64_t rank) {
    const double* const from = all.const_data_ptr<double>() + rank * 2 * kBarriers;
    std::vector<BarrierTimes> times;
    for (int i = 0; i < kBarriers; ++i) times.push_back({from[2 * i], from[2 * i + 1]});
    return times;
  };
  const auto* const ids = kernels.const_data_ptr<std::int64_t>();
  std::vector<ClockOffset> offsets;
  for (int r = 0; r < host.size(); ++r)
    offsets.push_back(clock_offset(times_of(0), times_of(r), ids[r] == ids[0]));
  return offsets;
}

}  // namespace valley
