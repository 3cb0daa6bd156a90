// Common style of charts. Lengths are in pixels.
#pragma once

#include <cstdint>

#include "record/canvas.h"

namespace valley::chart {

inline constexpr std::int64_t kGap = 8;          // between parts
inline constexpr std::int64_t kTick = 6;         // length of a tick mark
inline constexpr std::int64_t kLetterScale = 2;  // pixels per dot of a letter
inline constexpr Color kGridLines{225, 225, 225};

}  // namespace valley::chart
