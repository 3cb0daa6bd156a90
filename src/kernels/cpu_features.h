// Instruction sets of this CPU, for kernels that are compiled for wider ones than the program.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VALLEY_WIDE_VECTORS 1  // kernels for AVX2 and AVX-512 are compiled
#else
#define VALLEY_WIDE_VECTORS 0
#endif

namespace valley::kernels::cpu {

// kAvx2 includes FMA; kAvx512 means F, DQ, BW and VL.
enum class Vectors { kNone, kAvx2, kAvx512 };
// Widest instruction set that both these kernels and LibTorch support on this CPU; the environment
// can limit it (ATEN_CPU_CAPABILITY=default or avx2).
[[nodiscard]] Vectors vectors();
[[nodiscard]] bool has_tile_units();  // AMX, which multiplies bfloat16 faster than vector units

}  // namespace valley::kernels::cpu
