// Helpers for files whose loops the compiler vectorizes for several instruction sets; the program
// selects one when it starts.
#pragma once

#include <cstdint>

#include "kernels/launch.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VALLEY_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VALLEY_CLONES
#endif
#define VALLEY_INLINE inline __attribute__((always_inline))

namespace valley::kernels::cpu {
namespace {

using Bits16 = std::uint16_t;  // the bits of a bfloat16

VALLEY_INLINE float load(const float* p, std::int64_t i) { return p[i]; }
VALLEY_INLINE float load(const Bits16* p, std::int64_t i) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(p[i]) << 16U);
}
VALLEY_INLINE void store(float* p, std::int64_t i, float value) { p[i] = value; }
VALLEY_INLINE void store(Bits16* p, std::int64_t i, float value) { p[i] = bfloat16_bits(value); }

}  // namespace
}  // namespace valley::kernels::cpu
