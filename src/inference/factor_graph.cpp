#include "inference/factor_graph.h"

#include <algorithm>
#include <optional>

namespace valley {
namespace {

// Distance in the values of `table` between successive states of `variable`; 0 if the
// table does not have that variable.
std::size_t stride_of(const Table& table, std::size_t variable,
                      const std::vector<std::size_t>& states) {
  std::size_t stride = 1;
  for (std::size_t i = table.scope.size(); i-- > 0;) {
    if (table.scope[i] == variable) return stride;
    stride *= states[table.scope[i]];
  }
  return 0;
}

}  // namespace

JointStates::JointStates(const std::vector<std::size_t>& scope,
                         const std::vector<std::size_t>& states,
                         const std::vector<const Table*>& tables)
    : state_(scope.size(), 0), indices_(tables.size(), 0) {
  for (const std::size_t variable : scope) {
    counts_.push_back(states[variable]);
    size_ *= states[variable];
  }
  for (const Table* table : tables) {
    std::vector<std::size_t>& strides = strides_.emplace_back();
    for (const std::size_t variable : scope) strides.push_back(stride_of(*table, variable, states));
  }
}

void JointStates::advance() {
  for (std::size_t i = counts_.size(); i-- > 0;) {
    if (++state_[i] < counts_[i]) {
      for (std::size_t t = 0; t < indices_.size(); ++t) indices_[t] += strides_[t][i];
      return;
    }
    state_[i] = 0;
    for (std::size_t t = 0; t < indices_.size(); ++t)
      indices_[t] -= strides_[t][i] * (counts_[i] - 1);
  }
}

ConditionedGraph condition(const FactorGraph& graph, const Evidence& evidence) {
  std::vector<std::optional<std::size_t>> observed(graph.states.size());
  for (const auto& [variable, state] : evidence) observed[variable] = state;

  ConditionedGraph result;
  result.graph.states = graph.states;
  for (std::size_t v = 0; v < observed.size(); ++v)
    if (observed[v]) result.graph.states[v] = 1;
  for (const Table& factor : graph.factors) {
    std::size_t start = 0;
    Table rest;
    for (const std::size_t variable : factor.scope) {
      if (observed[variable]) {
        start += *observed[variable] * stride_of(factor, variable, graph.states);
      } else {
        rest.scope.push_back(variable);
      }
    }
    JointStates at(rest.scope, graph.states, {&factor});
    for (std::size_t i = 0; i < at.size(); ++i, at.advance())
      rest.values.push_back(factor.values[start + at.indices()[0]]);
    if (rest.scope.empty()) {
      result.constant += rest.values[0];
    } else {
      result.graph.factors.push_back(std::move(rest));
    }
  }
  return result;
}

std::size_t index_in(const Table& table, const std::vector<std::size_t>& states,
                     const std::vector<std::size_t>& x) {
  std::size_t index = 0;
  for (const std::size_t variable : table.scope) index = index * states[variable] + x[variable];
  return index;
}

double log_value(const FactorGraph& graph, const std::vector<std::size_t>& x) {
  double sum = 0;
  for (const Table& factor : graph.factors) sum += factor.values[index_in(factor, graph.states, x)];
  return sum;
}

}  // namespace valley
