// Work on images on several threads, with results that do not depend on their number.
#pragma once

#include <cstdint>
#include <functional>

namespace valley {

// Calls work(i) once for each i in [0, count), on up to `jobs` threads. After an exception no more
// calls start; the exception of the smallest i is rethrown.
void for_each_image(unsigned jobs, std::uint64_t count,
                    const std::function<void(std::uint64_t)>& work);

// Calls prepare(i, slot) on threads and then take(i, slot) on the calling thread, in the order of
// i, in batches of `slots` images, so that memory is bounded; slot < slots.
void for_each_in_order(unsigned jobs, std::uint64_t count, std::uint64_t slots,
                       const std::function<void(std::uint64_t, std::uint64_t)>& prepare,
                       const std::function<void(std::uint64_t, std::uint64_t)>& take);

}  // namespace valley
