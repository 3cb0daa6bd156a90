// Counts the pieces of work of this process: bytes that were read and written, images, batches. A
// process whose count stands still for minutes hangs (flight/watchdog.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace valley {

// Files are read and written in pieces of at most this size, each of which counts.
inline constexpr std::size_t kCountedBytes = std::size_t{16} << 20U;

namespace detail {
inline std::atomic<std::uint64_t> progress{0};
}

// Any thread.
inline void count_progress() noexcept { detail::progress.fetch_add(1, std::memory_order_relaxed); }
[[nodiscard]] inline std::uint64_t progress_count() noexcept {
  return detail::progress.load(std::memory_order_relaxed);
}

}  // namespace valley
