// Approximate inference in factor graphs with loops: messages between factors and variables are
// iterated until they stop changing (Kschischang, Frey & Loeliger 2001). Max-sum finds an
// assignment, which may not be the best one; sum-product finds marginals and Bethe's estimate of
// log Z (Yedidia, Freeman & Weiss 2005), which may be on either side of the exact one.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/factor_graph.h"

namespace valley {

struct LoopyOptions {
  std::int64_t max_rounds = 500;
  double damping = 0.5;     // weight of the previous message
  double tolerance = 1e-6;  // largest change of a message at convergence, in nats
};

struct LoopyBest {
  std::vector<std::size_t> x;  // the best assignment of all rounds, improved variable by variable
  double log_value = kMinusInfinity;
  bool converged = false;
  std::int64_t rounds = 0;
};
[[nodiscard]] LoopyBest loopy_best(const FactorGraph& graph, const LoopyOptions& options = {});

struct LoopySums {
  double log_z = kMinusInfinity;               // Bethe's estimate
  std::vector<std::vector<double>> marginals;  // [variable][state]; empty if messages contradict
  bool converged = false;
  std::int64_t rounds = 0;
};
[[nodiscard]] LoopySums loopy_sums(const FactorGraph& graph, const LoopyOptions& options = {});

}  // namespace valley
