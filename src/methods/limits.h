// Upper bounds of counts in the config, chosen so that their products do not overflow: 10^12 steps
// of 2^20 images are 10^18 images.
#pragma once

#include <cstdint>

namespace valley {

inline constexpr std::int64_t kMaxSteps = 1'000'000'000'000;
inline constexpr std::int64_t kMaxEpochs = 1'000'000'000;
inline constexpr std::int64_t kMaxChainSteps = 1'000'000;

}  // namespace valley
