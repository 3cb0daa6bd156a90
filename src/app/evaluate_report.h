// What `valley evaluate` says: the metrics as a table or as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate/evaluation.h"

namespace valley::app {

// Nothing in it depends on the time or on the number of ranks.
struct EvaluationReport {
  std::string samples;      // where they come from: a model's file or a folder of shards
  std::string weights;      // of a model: "averaged", "raw" or "untrained"; "" for shards
  std::string fingerprint;  // of sampled shards
  std::string data;
  std::string data_fingerprint;
  std::uint64_t data_images = 0;
  std::int64_t images = 0;  // of each set
  std::string limit;        // why there are not more
  std::uint64_t seed = 0;
  std::string network;  // "": none
  std::string network_sha256;
  std::vector<Metric> metrics;
};

[[nodiscard]] std::string to_table(const EvaluationReport& report);
[[nodiscard]] std::string to_json(const EvaluationReport& report);  // ends with a newline

}  // namespace valley::app
