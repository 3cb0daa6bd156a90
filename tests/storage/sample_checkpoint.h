// Small checkpoints in which every part encodes the step and the variant.
#pragma once

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "storage/checkpoint.h"

namespace valley {

inline Checkpoint sample_checkpoint(std::int64_t step, int variant = 0,
                                    std::int64_t elements = 1000) {
  at::set_num_threads(1);  // a thread pool does not survive the fork of the tests that kill writers
  const auto value = static_cast<double>(step * 10 + variant);
  Checkpoint checkpoint;
  checkpoint.step = step;
  checkpoint.model = {{{"generator.weight", at::full({elements}, value, at::kFloat)},
                       {"discriminator.bias", at::full({3}, value, at::kFloat)}},
                      {{"model.name", "began"}}};
  checkpoint.state = {{{"moments", at::full({elements}, value, at::kFloat)},
                       {"k", at::scalar_tensor(value, at::kDouble)}},
                      {}};
  checkpoint.state_json = "{\"value\": " + std::to_string(step * 10 + variant) + "}\n";
  return checkpoint;
}

inline void expect_same(const Checkpoint& a, const Checkpoint& b) {
  const auto expect_same_tensors = [](const TensorFile& x, const TensorFile& y) {
    EXPECT_EQ(x.metadata, y.metadata);
    ASSERT_EQ(x.tensors.size(), y.tensors.size());
    for (const auto& [name, tensor] : x.tensors) {
      ASSERT_TRUE(y.tensors.contains(name)) << name;
      EXPECT_TRUE(tensor.equal(y.tensors.at(name))) << name;
    }
  };
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.state_json, b.state_json);
  expect_same_tensors(a.model, b.model);
  expect_same_tensors(a.state, b.state);
}

// Unexpected entries in a folder of checkpoints.
inline std::string leftovers(const std::filesystem::path& folder) {
  std::string names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("step-")) names += name + " ";
  }
  return names;
}

}  // namespace valley
