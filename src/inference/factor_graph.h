// Discrete factor graphs: p(x) is proportional to the product of factors f_a(x_a) >= 0, each over a
// few variables. The energy of an assignment is E(x) = -sum_a log f_a(x_a), in nats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace valley {

inline constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// Values of a function of some variables. The last variable of the scope changes fastest.
struct Table {
  std::vector<std::size_t> scope;  // different variables
  std::vector<double> values;      // one per joint state of the scope
};

struct FactorGraph {
  std::vector<std::size_t> states;  // number of states per variable, at least 1
  std::vector<Table> factors;       // values: log f_a, minus infinity for 0
};

// A variable and its observed state.
using Evidence = std::vector<std::pair<std::size_t, std::size_t>>;

// The graph of the other variables given the evidence. The number of variables stays; an observed
// one has one state and no factor. `constant` is the sum of factors without variables.
struct ConditionedGraph {
  FactorGraph graph;
  double constant = 0;
};
[[nodiscard]] ConditionedGraph condition(const FactorGraph& graph, const Evidence& evidence);

// Index in the values of `table` of the assignment `x`, a state per variable of the graph.
[[nodiscard]] std::size_t index_in(const Table& table, const std::vector<std::size_t>& states,
                                   const std::vector<std::size_t>& x);

// sum_a log f_a(x_a): minus the energy. `x`: a state per variable.
[[nodiscard]] double log_value(const FactorGraph& graph, const std::vector<std::size_t>& x);

// Visits the joint states of `scope` in the order of Table::values, with the index of the state in
// each of several tables whose scopes are parts of `scope`.
class JointStates {
 public:
  JointStates(const std::vector<std::size_t>& scope, const std::vector<std::size_t>& states,
              const std::vector<const Table*>& tables);

  [[nodiscard]] std::size_t size() const { return size_; }  // number of joint states
  [[nodiscard]] const std::vector<std::size_t>& state() const { return state_; }
  [[nodiscard]] const std::vector<std::size_t>& indices() const { return indices_; }
  void advance();

 private:
  std::size_t size_ = 1;
  std::vector<std::size_t> counts_;                // states of each variable of the scope
  std::vector<std::size_t> state_;                 // current state of each of them
  std::vector<std::size_t> indices_;               // current index in each table
  std::vector<std::vector<std::size_t>> strides_;  // [table][variable of the scope]
};

}  // namespace valley
