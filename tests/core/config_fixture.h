// A small schema with a key of every type, and its variables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"
#include "helpers.h"

namespace valley {

struct TestConfig {
  std::string path;
  std::string name = "ebgan";
  std::vector<std::int64_t> hidden;
  std::int64_t steps = 1000;
  AutoInt microbatch;
  bool reproducible = false;
  double gamma = 0.7;
  double rate = 5e-05;
  Schema schema;

  TestConfig() {
    schema.key("data.path", &path).help("Shards to train on.").source("ours");
    schema.key("model.name", &name)
        .one_of({"ebgan", "began", "magan"})
        .help("Networks and objective.")
        .source("ours");
    schema.key("model.hidden", &hidden).min(1).help("Units a layer.");
    schema.key("train.steps", &steps).min(1).max(1e9).help("Optimizer steps to train.");
    schema.key("train.microbatch", &microbatch).min(1).help("Samples a pass.");
    schema.key("train.reproducible", &reproducible).help("Same bits on any number of ranks.");
    schema.key("objective.gamma", &gamma)
        .above(0)
        .max(1)
        .help("Ratio E|L(G(z))| / E|L(x)|.")
        .source("BEGAN, section 3.3");
    schema.key("optimizer.rate", &rate).min(0).help("Learning rate.").source("BEGAN, section 4.1");
  }
  // The schema points at the members.
  TestConfig(const TestConfig&) = delete;
  TestConfig& operator=(const TestConfig&) = delete;

  void load(const std::string& toml, const std::vector<std::string>& overrides = {}) {
    schema.load_text(toml, "run.toml", overrides);
  }
};

inline std::string load_error(const std::string& toml,
                              const std::vector<std::string>& overrides = {},
                              ExitCode code = ExitCode::kConfig) {
  TestConfig config;
  const Error error = error_of([&] { config.load(toml, overrides); });
  EXPECT_EQ(error.code(), code);
  return error.what();
}

}  // namespace valley
