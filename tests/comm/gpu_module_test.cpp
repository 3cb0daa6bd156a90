#include <gtest/gtest.h>

#include "comm/backend.h"

namespace valley {
namespace {

// In a build with CUDA this loads the module with LibTorch's CUDA library and NCCL, which does not
// need a GPU, and resolves all symbols that the module uses from the program.
TEST(GpuModule, LoadsTheNcclThatItWasCompiledAgainst) {
  EXPECT_EQ(gpu_collectives(), built_gpu_collectives());
}

}  // namespace
}  // namespace valley
