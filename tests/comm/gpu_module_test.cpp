#include <gtest/gtest.h>

#include "comm/backend.h"

namespace valley {
namespace {

// In a build with CUDA this loads the module with LibTorch's CUDA half and NCCL, which needs no
// GPU, and resolves all that the module takes from the program.
TEST(GpuModule, LoadsTheNcclThatItWasCompiledAgainst) {
  EXPECT_EQ(gpu_collectives(), built_gpu_collectives());
}

}  // namespace
}  // namespace valley
