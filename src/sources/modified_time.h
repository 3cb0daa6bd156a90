// Times of change of files and members of archives, by which a resumed build sees that they
// changed.
#pragma once

#include <cstdint>

namespace valley {

// Nanoseconds since 1970. Wraps around for times that 64 bits cannot hold, which archives may
// state.
[[nodiscard]] constexpr std::int64_t nanoseconds_of(std::int64_t seconds,
                                                    std::int64_t nanoseconds) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(seconds) * kSecond +
                                   static_cast<std::uint64_t>(nanoseconds));
}

}  // namespace valley
