// Loops of Valley's own kernels on the intra-op threads of LibTorch (at::set_num_threads).
//
// Kernels call this rather than at::parallel_for: LibTorch's header has a parallel region only in
// files that are compiled with OpenMP, which parallel.cpp alone is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace valley {

// Elements for which one more thread pays off, as for LibTorch's own element-wise operators.
inline constexpr std::int64_t kParallelElements = std::int64_t{1} << 15;

// Minimum number of items per thread, for items of `elements` elements each.
[[nodiscard]] inline std::int64_t parallel_grain(std::int64_t elements) {
  return std::max<std::int64_t>(1, kParallelElements / std::max<std::int64_t>(1, elements));
}

// Calls work(first, last) for consecutive ranges that cover [begin, end), at most one per thread
// and, but for the last one, of at least `grain` items. How the range is divided depends on the
// number of threads: results must not. Runs on the calling thread alone where one range is enough
// and inside another parallel region. Waits for all ranges, then rethrows the first exception.
//
// Each thread that calls this has a team of its own: threads that run beside others set their
// number of threads to 1 first (kernels/threads.h).
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& work);

}  // namespace valley
