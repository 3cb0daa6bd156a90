#include "inference/loopy_messages.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "inference/log_sum.h"

namespace valley {
namespace {

enum class Elimination { kMax, kSum };

// An edge between a factor and one of its variables.
struct Edge {
  std::size_t factor = 0;
  std::size_t variable = 0;
  std::vector<double> to_factor;    // log, per state; largest 0
  std::vector<double> to_variable;  // likewise
};

// Subtracts the largest value. False if all are minus infinity.
bool normalize(std::vector<double>& values) {
  const double max = *std::ranges::max_element(values);
  if (max == kMinusInfinity) return false;
  for (double& value : values) value -= max;
  return true;
}

class Messages {
 public:
  Messages(const FactorGraph& graph, Elimination elimination)
      : graph_(graph), elimination_(elimination), edges_of_(graph.states.size()) {
    for (std::size_t f = 0; f < graph.factors.size(); ++f) {
      first_.push_back(edges_.size());
      for (const std::size_t v : graph.factors[f].scope) {
        edges_of_[v].push_back(edges_.size());
        const std::vector<double> zero(graph.states[v], 0);
        edges_.push_back({f, v, zero, zero});
      }
    }
  }

  // Updates all messages. The largest change of one; NaN if they contradict each other, so that no
  // assignment has a finite log value.
  double round(double damping) {
    for (Edge& edge : edges_) {
      edge.to_factor = belief(edge.variable, &edge);
      if (!normalize(edge.to_factor)) return std::nan("");
    }
    double max_change = 0;
    for (std::size_t f = 0; f < graph_.factors.size(); ++f) {
      for (std::size_t place = 0; place < graph_.factors[f].scope.size(); ++place) {
        Edge& edge = edges_[first_[f] + place];
        std::vector<double> next = from_factor(f, place);
        if (!normalize(next)) return std::nan("");
        for (std::size_t s = 0; s < next.size(); ++s) {
          const double before = edge.to_variable[s];
          if (before == kMinusInfinity) {
            next[s] = before;  // impossible states stay impossible
          } else if (next[s] != kMinusInfinity) {
            next[s] = damping * before + (1 - damping) * next[s];
          }
          if (next[s] != before) max_change = std::max(max_change, std::abs(next[s] - before));
        }
        edge.to_variable = std::move(next);
      }
    }
    return max_change;
  }

  // Log beliefs of a variable without the message of one edge.
  [[nodiscard]] std::vector<double> belief(std::size_t v, const Edge* without = nullptr) const {
    std::vector<double> sum(graph_.states[v], 0);
    for (const std::size_t e : edges_of_[v]) {
      if (&edges_[e] == without) continue;
      for (std::size_t s = 0; s < sum.size(); ++s) sum[s] += edges_[e].to_variable[s];
    }
    return sum;
  }

  [[nodiscard]] std::vector<std::size_t> decode() const {
    std::vector<std::size_t> x;
    for (std::size_t v = 0; v < graph_.states.size(); ++v) {
      const std::vector<double> b = belief(v);
      x.push_back(static_cast<std::size_t>(std::ranges::max_element(b) - b.begin()));
    }
    return x;
  }

  // Minus Bethe's free energy of the beliefs.
  [[nodiscard]] double bethe_log_z() const {
    double log_z = 0;
    for (std::size_t f = 0; f < graph_.factors.size(); ++f) {
      std::vector<double> log_b = factor_belief(f);
      const double norm = log_sum(log_b);
      for (std::size_t i = 0; i < log_b.size(); ++i) {
        if (log_b[i] == kMinusInfinity) continue;
        const double b = std::exp(log_b[i] - norm);
        log_z += b * (graph_.factors[f].values[i] - (log_b[i] - norm));
      }
    }
    for (std::size_t v = 0; v < graph_.states.size(); ++v) {
      const std::vector<double> log_b = belief(v);
      const double norm = log_sum(log_b);
      const double weight = static_cast<double>(edges_of_[v].size()) - 1;
      for (const double value : log_b)
        if (value > kMinusInfinity) log_z += weight * std::exp(value - norm) * (value - norm);
    }
    return log_z;
  }

  // Improves one variable after another as long as that helps.
  [[nodiscard]] std::vector<std::size_t> polished(std::vector<std::size_t> x) const {
    constexpr int kMaxSweeps = 100;
    bool has_changed = true;
    for (int sweep = 0; sweep < kMaxSweeps && has_changed; ++sweep) {
      has_changed = false;
      for (std::size_t v = 0; v < x.size(); ++v) {
        const std::size_t before = x[v];
        std::size_t best = before;
        double max = local_value(v, x);
        for (std::size_t s = 0; s < graph_.states[v]; ++s) {
          x[v] = s;
          const double value = local_value(v, x);
          if (value > max) {
            max = value;
            best = s;
          }
        }
        x[v] = best;
        has_changed = has_changed || best != before;
      }
    }
    return x;
  }

 private:
  // Message to the variable at `place` of a factor.
  [[nodiscard]] std::vector<double> from_factor(std::size_t f, std::size_t place) const {
    const Table& factor = graph_.factors[f];
    const std::size_t states = graph_.states[factor.scope[place]];
    std::vector<double> max(states, kMinusInfinity);
    visit(f, place, [&](std::size_t s, double value) { max[s] = std::max(max[s], value); });
    if (elimination_ == Elimination::kMax) return max;
    std::vector<double> sum(states, 0);
    visit(f, place, [&](std::size_t s, double value) {
      if (value > kMinusInfinity) sum[s] += std::exp(value - max[s]);
    });
    for (std::size_t s = 0; s < states; ++s) max[s] += std::log(sum[s]);
    return max;
  }

  // Calls `use` with the state of the variable at `place` and the sum of the factor's log value and
  // the messages of its other variables, for each joint state.
  template <typename Use>
  void visit(std::size_t f, std::size_t place, const Use& use) const {
    const Table& factor = graph_.factors[f];
    JointStates at(factor.scope, graph_.states, {});
    for (std::size_t i = 0; i < factor.values.size(); ++i, at.advance()) {
      double value = factor.values[i];
      for (std::size_t other = 0; other < factor.scope.size(); ++other)
        if (other != place) value += edges_[first_[f] + other].to_factor[at.state()[other]];
      use(at.state()[place], value);
    }
  }

  [[nodiscard]] std::vector<double> factor_belief(std::size_t f) const {
    const Table& factor = graph_.factors[f];
    std::vector<double> belief = factor.values;
    JointStates at(factor.scope, graph_.states, {});
    for (std::size_t i = 0; i < belief.size(); ++i, at.advance())
      for (std::size_t place = 0; place < factor.scope.size(); ++place)
        belief[i] += edges_[first_[f] + place].to_factor[at.state()[place]];
    return belief;
  }

  // Sum of the factors of a variable.
  [[nodiscard]] double local_value(std::size_t v, const std::vector<std::size_t>& x) const {
    double sum = 0;
    for (const std::size_t e : edges_of_[v]) {
      const Table& factor = graph_.factors[edges_[e].factor];
      sum += factor.values[index_in(factor, graph_.states, x)];
    }
    return sum;
  }

  const FactorGraph& graph_;
  Elimination elimination_;
  std::vector<Edge> edges_;
  std::vector<std::size_t> first_;                  // edge of each factor's first variable
  std::vector<std::vector<std::size_t>> edges_of_;  // edges per variable
};

}  // namespace

LoopyBest loopy_best(const FactorGraph& graph, const LoopyOptions& options) {
  Messages messages(graph, Elimination::kMax);
  LoopyBest best;
  best.x = messages.decode();
  best.log_value = log_value(graph, best.x);
  while (best.rounds < options.max_rounds && !best.converged) {
    const double change = messages.round(options.damping);
    if (std::isnan(change)) break;
    ++best.rounds;
    best.converged = change <= options.tolerance;
    const std::vector<std::size_t> x = messages.decode();
    const double value = log_value(graph, x);
    if (value <= best.log_value) continue;
    best.x = x;
    best.log_value = value;
  }
  best.x = messages.polished(best.x);
  best.log_value = log_value(graph, best.x);
  return best;
}

LoopySums loopy_sums(const FactorGraph& graph, const LoopyOptions& options) {
  Messages messages(graph, Elimination::kSum);
  LoopySums sums;
  while (sums.rounds < options.max_rounds && !sums.converged) {
    const double change = messages.round(options.damping);
    if (std::isnan(change)) return sums;
    ++sums.rounds;
    sums.converged = change <= options.tolerance;
  }
  for (std::size_t v = 0; v < graph.states.size(); ++v) {
    std::vector<double> b = messages.belief(v);
    const double norm = log_sum(b);
    for (double& value : b) value = std::exp(value - norm);
    sums.marginals.push_back(std::move(b));
  }
  sums.log_z = messages.bethe_log_z();
  return sums;
}

}  // namespace valley
