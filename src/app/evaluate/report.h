// The result of `valley evaluate`, as text and as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate/class_evaluation.h"
#include "evaluate/evaluation.h"

namespace valley::app {

// Depends neither on the time nor on the number of ranks.
struct EvaluationReport {
  std::string samples;      // path of a model's file or of a folder of shards
  std::string weights;      // "averaged", "raw" or "untrained"; "" for shards
  std::string fingerprint;  // data fingerprint; "" for a model
  // Classes of samples: "data", with the shares of the data; "equal" shares; "": no classes.
  std::string class_shares;
  std::string data;
  std::string data_fingerprint;
  std::uint64_t data_images = 0;
  std::int64_t images = 0;  // per set
  std::string limit;        // reason for a smaller number of images than the default; "": none
  std::uint64_t seed = 0;
  std::string network;  // "": none
  std::string network_sha256;
  std::vector<Metric> metrics;
  std::vector<ClassMetrics> classes;  // with --per-class
};

[[nodiscard]] std::string to_table(const EvaluationReport& report);
[[nodiscard]] std::string to_json(const EvaluationReport& report);  // ends with a newline

}  // namespace valley::app
