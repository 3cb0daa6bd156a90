#include "kernels/cpu_features.h"

#include <ATen/Version.h>

#include <string>

namespace valley::kernels::cpu {

#if VALLEY_WIDE_VECTORS

namespace {

Vectors find_vectors() {
  const std::string torch = at::get_cpu_capability();
  const bool has_avx512 =
      __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  if (has_avx512 && torch == "AVX512") return Vectors::kAvx512;
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  return has_avx2 && torch != "DEFAULT" ? Vectors::kAvx2 : Vectors::kNone;
}

}  // namespace

Vectors vectors() {
  static const Vectors found = find_vectors();
  return found;
}

bool has_tile_units() { return __builtin_cpu_supports("amx-bf16") != 0; }

#else

Vectors vectors() { return Vectors::kNone; }
bool has_tile_units() { return false; }

#endif

}  // namespace valley::kernels::cpu
