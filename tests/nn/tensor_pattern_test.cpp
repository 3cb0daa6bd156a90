#include "nn/tensor_pattern.h"

#include <gtest/gtest.h>

namespace valley {
namespace {

TEST(TensorPattern, NamesTensorsAndTheirGroups) {
  const char* name = "discriminator.encoder.levels.2.conv0.weight";
  for (const char* pattern :
       {"discriminator", "discriminator.encoder", "discriminator.encoder.levels",
        "discriminator.encoder.levels.2", "discriminator.encoder.levels.0-2",
        "discriminator.encoder.2", "discriminator.encoder.2-9.conv0",
        "discriminator.encoder.levels.2.conv0.weight"})
    EXPECT_TRUE(matches_pattern(name, pattern)) << pattern;
  for (const char* pattern :
       {"", "discrim", "generator", "discriminator.encoder.levels.1", "discriminator.encoder.3-9",
        "discriminator.encoder.0-1", "discriminator.encoder.2-", "discriminator.encoder.a-b",
        "discriminator.encoder.levels.2.conv0.weight.more", "encoder"})
    EXPECT_FALSE(matches_pattern(name, pattern)) << pattern;
}

}  // namespace
}  // namespace valley
