// Exact inference in factor graphs by variable elimination in a min-fill order (Dechter 1999).
//
// Each variable has a bucket: the factors whose other variables are eliminated later, and messages
// of earlier buckets. Time and memory grow with the numbers of joint states of the buckets, which
// are small for chains, trees and narrow grids.
#pragma once

#include <cstddef>
#include <vector>

#include "inference/factor_graph.h"

namespace valley {

class BucketTree {
 public:
  // Chooses the order. Computes no tables, and stops if the buckets have more than `max_states`
  // joint states together. `graph` must outlive this.
  BucketTree(const FactorGraph& graph, double max_states);

  // False if the buckets are too large: the functions below must not be called then.
  [[nodiscard]] bool fits() const { return all_states_ <= max_states_; }
  // The largest number of variables that a message depends on.
  [[nodiscard]] std::size_t width() const { return width_; }

  // An assignment with the largest log value. Its log value is minus infinity if all have that.
  [[nodiscard]] std::vector<std::size_t> best() const;

  struct Sums {
    double log_z = 0;                            // log of the sum of exp(log value)
    std::vector<std::vector<double>> marginals;  // [variable][state]; empty if Z is 0
  };
  [[nodiscard]] Sums sums() const;

 private:
  struct Bucket {
    std::vector<std::size_t> scope;  // its variable is the last one; its message is of the others
    std::vector<const Table*> factors;  // factors assigned to it
    std::vector<std::size_t> children;  // buckets whose messages arrive here
  };

  void choose_order();
  void connect();
  [[nodiscard]] std::vector<const Table*> tables_of(const Bucket& bucket,
                                                    const std::vector<Table>& messages) const;
  // The messages of all buckets. `eliminate`: from a value per state of the bucket's variable.
  template <typename Eliminate>
  [[nodiscard]] std::vector<Table> collect(const Eliminate& eliminate) const;

  const FactorGraph& graph_;
  double max_states_;
  std::vector<Bucket> buckets_;  // in the order of elimination
  double all_states_ = 0;
  std::size_t width_ = 0;
};

}  // namespace valley
