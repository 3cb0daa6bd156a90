#include "plan/microbatches.h"

#include <bit>

#include "core/error.h"

namespace valley {
namespace {

bool is_power_of_two(std::int64_t n) {
  return n > 0 && std::has_single_bit(static_cast<std::uint64_t>(n));
}

std::int64_t power_of_two_below(std::int64_t n) {
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(n)));
}

// The multiple of `factor` nearest to n, at least `factor`.
std::int64_t nearest_multiple(std::int64_t n, std::int64_t factor) {
  const std::int64_t low = n / factor * factor;
  if (low == 0) return factor;
  return n - low <= low + factor - n ? low : low + factor;
}

void check_reproducible(std::int64_t global_batch, std::int64_t size, int ranks) {
  const std::int64_t count = global_batch / size;
  if (!is_power_of_two(count)) {
    throw Error(ExitCode::kConfig,
                "train.reproducible needs a power-of-two number of microbatches, but "
                "train.global_batch = {} and train.microbatch = {} give {}; train.global_batch = "
                "{} works",
                global_batch, size, count, power_of_two_below(count) * size);
  }
  if (!is_power_of_two(ranks) || ranks > count) {
    throw Error(ExitCode::kConfig,
                "train.reproducible needs a power-of-two number of ranks, at most one per "
                "microbatch ({}), but there are {}; launch {} ranks",
                count, ranks, std::min(count, power_of_two_below(ranks)));
  }
}

}  // namespace

MicrobatchPlan plan_microbatches(std::int64_t global_batch, AutoInt wanted, int ranks,
                                 bool reproducible) {
  if (global_batch % ranks != 0) {
    throw Error(ExitCode::kConfig,
                "train.global_batch = {} cannot be divided evenly among {} ranks; "
                "train.global_batch = {} works",
                global_batch, ranks, nearest_multiple(global_batch, ranks));
  }
  const std::int64_t size = wanted.value_or(global_batch / ranks);
  if (global_batch % size != 0) {
    throw Error(ExitCode::kConfig,
                "train.global_batch = {} is not a multiple of train.microbatch = {}; "
                "train.global_batch = {} works",
                global_batch, size, nearest_multiple(global_batch, size));
  }
  if (reproducible) check_reproducible(global_batch, size, ranks);
  const std::int64_t count = global_batch / size;
  if (count % ranks != 0) {
    throw Error(ExitCode::kConfig,
                "train.global_batch = {} and train.microbatch = {} give {} microbatches, which "
                "cannot be divided evenly among {} ranks; train.global_batch = {} works",
                global_batch, size, count, ranks, nearest_multiple(count, ranks) * size);
  }
  return {global_batch, size, count / ranks, ranks};
}

MicrobatchPlan fit_to_memory(const MicrobatchPlan& plan, std::int64_t bytes_per_image,
                             std::int64_t free_bytes) {
  const std::int64_t share = plan.share();
  MicrobatchPlan fitted = plan;
  while (fitted.size > 1 && fitted.size * bytes_per_image > free_bytes) {
    do {
      --fitted.size;
    } while (share % fitted.size != 0);
    fitted.per_rank = share / fitted.size;
  }
  return fitted;
}

}  // namespace valley
