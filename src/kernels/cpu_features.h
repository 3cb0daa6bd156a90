// Which instructions this CPU has, for kernels that are compiled for more than the rest is.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VALLEY_WIDE_VECTORS 1  // kernels for AVX2 and AVX-512 are compiled
#else
#define VALLEY_WIDE_VECTORS 0
#endif

namespace valley::kernels::cpu {

// kAvx2: with FMA; kAvx512: F, DQ, BW and VL.
enum class Vectors { kNone, kAvx2, kAvx512 };
// The widest for which there are kernels here and that LibTorch uses: the CPU's, or fewer where the
// environment says so (ATEN_CPU_CAPABILITY = default or avx2).
[[nodiscard]] Vectors vectors();
[[nodiscard]] bool has_tile_units();  // AMX, which multiply bfloat16 faster than vectors

}  // namespace valley::kernels::cpu
