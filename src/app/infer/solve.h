// Inference in one factor graph: exact if its tables are small enough, else by messages in loops.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inference/factor_graph.h"
#include "inference/loopy_messages.h"

namespace valley::app {

struct InferRequest {
  bool wants_marginals = false;
  std::uint64_t max_states = std::uint64_t{1} << 26U;  // largest total size of elimination tables
  LoopyOptions loopy;
};

// Kind and state of the computation of a result.
struct Effort {
  bool is_exact = true;
  bool converged = true;    // messages stopped changing
  std::int64_t rounds = 0;  // rounds of messages
};

struct BestAssignment {
  std::vector<std::size_t> values;  // per variable, observed ones included
  double log_value = 0;             // minus the energy, nats
  Effort effort;
};

struct Sums {
  double log_z = 0;                            // given the evidence fixed
  std::vector<std::vector<double>> marginals;  // [variable][state]
  Effort effort;
};

struct Inference {
  std::string model;
  std::size_t factors = 0;
  std::vector<std::size_t> states;  // per variable
  std::size_t observed = 0;         // number of variables
  std::size_t width = 0;            // largest scope of a message; with loops: at the stop
  BestAssignment best;
  std::optional<Sums> sums;
};

// `model`: its file, for messages. Error kData if no assignment with the evidence has a probability
// above 0, or if messages found none.
[[nodiscard]] Inference infer(const FactorGraph& graph, const Evidence& evidence,
                              const InferRequest& request, const std::string& model);

[[nodiscard]] std::string to_table(const Inference& result);
[[nodiscard]] std::string to_json(const Inference& result);

}  // namespace valley::app
