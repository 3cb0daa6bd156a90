#include "kernels/cpu_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace valley::kernels::cpu {
namespace {

Vectors of_this_cpu() {
#if VALLEY_WIDE_VECTORS
  if (__builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512dq") != 0)
    return Vectors::kAvx512;
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0)
    return Vectors::kAvx2;
#endif
  return Vectors::kNone;
}

// ctest runs it with and without the setting.
TEST(CpuFeatures, AreThoseOfTheCpuUnlessTheEnvironmentLimitsLibTorch) {
  const char* told = std::getenv("ATEN_CPU_CAPABILITY");
  Vectors most = Vectors::kAvx512;
  if (told != nullptr && std::string(told) == "avx2") most = Vectors::kAvx2;
  if (told != nullptr && std::string(told) == "default") most = Vectors::kNone;
  EXPECT_EQ(vectors(), std::min(most, of_this_cpu()));
}

}  // namespace
}  // namespace valley::kernels::cpu
