#include "inference/min_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/min.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace valley {
namespace {

constexpr double kTolerance = 1e-9;  // max change of a message at convergence

// A direction of a pair: the message that `from` sends to `to`.
struct Message {
  std::size_t from;
  std::size_t to;
  at::Tensor energy;  // [values of from, values of to]
  at::Tensor value;   // double [values of to]
};

std::string name(std::size_t i) { return "variable " + std::to_string(i); }

void check(const std::vector<at::Tensor>& unary, const std::vector<PairEnergy>& pairs) {
  for (std::size_t i = 0; i < unary.size(); ++i) {
    const at::Tensor& u = unary[i];
    if (u.dim() != 1 || u.numel() == 0 || u.scalar_type() != at::kDouble)
      throw Error(ExitCode::kData, "{} has no vector of energies, one per value", name(i));
    if (at::isnan(u).any().item<bool>())
      throw Error(ExitCode::kData, "an energy of {} is NaN", name(i));
  }
  const auto n = static_cast<std::int64_t>(unary.size());
  for (const PairEnergy& p : pairs) {
    if (p.first < 0 || p.second < 0 || p.first >= n || p.second >= n || p.first == p.second)
      throw Error(ExitCode::kData, "variables {} and {} cannot be a pair: there are {} variables",
                  p.first, p.second, n);
    const std::int64_t rows = unary[static_cast<std::size_t>(p.first)].size(0);
    const std::int64_t columns = unary[static_cast<std::size_t>(p.second)].size(0);
    if (p.energy.dim() != 2 || p.energy.size(0) != rows || p.energy.size(1) != columns ||
        p.energy.scalar_type() != at::kDouble) {
      throw Error(ExitCode::kData, "the energies of the pair {}, {} are not [{}, {}]", p.first,
                  p.second, rows, columns);
    }
    if (at::isnan(p.energy).any().item<bool>())
      throw Error(ExitCode::kData, "an energy of the pair {}, {} is NaN", p.first, p.second);
  }
}

class Graph {
 public:
  Graph(const std::vector<at::Tensor>& unary, const std::vector<PairEnergy>& pairs)
      : unary_(unary), arriving_(unary.size()) {
    for (const PairEnergy& p : pairs) add(p);
  }

  // True if there is no loop.
  [[nodiscard]] bool is_forest() const {
    std::vector<std::size_t> root(unary_.size());
    std::iota(root.begin(), root.end(), 0);
    const auto find = [&](std::size_t i) {
      while (root[i] != i) i = root[i] = root[root[i]];
      return i;
    };
    for (std::size_t m = 0; m < messages_.size(); m += 2) {
      const std::size_t a = find(messages_[m].from);
      const std::size_t b = find(messages_[m].to);
      if (a == b) return false;
      root[a] = b;
    }
    return true;
  }

  // Sends messages from the leaves of each tree to its root, then chooses values from the root
  // down.
  [[nodiscard]] std::vector<std::int64_t> solve_forest() {
    std::vector<std::int64_t> values(unary_.size(), -1);
    for (std::size_t i = unary_.size(); i-- > 0;) {
      if (values[i] < 0) solve_tree(i, values);
    }
    return values;
  }

  // Updates all messages in parallel. Returns the largest change.
  double round(double damping) {
    std::vector<at::Tensor> next;
    next.reserve(messages_.size());
    for (std::size_t m = 0; m < messages_.size(); ++m) next.push_back(computed(m));
    double max_change = 0;
    for (std::size_t m = 0; m < messages_.size(); ++m) {
      const at::Tensor damped = messages_[m].value * damping + next[m] * (1 - damping);
      const at::Tensor change = at::abs(damped - messages_[m].value);
      // The difference of equal infinite energies is NaN.
      max_change =
          std::max(max_change, change.masked_fill(at::isnan(change), 0).max().item<double>());
      messages_[m].value = damped;
    }
    return max_change;
  }

  [[nodiscard]] std::vector<std::int64_t> best() const {
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < unary_.size(); ++i)
      values.push_back(belief(i, kNoMessage).argmin().item<std::int64_t>());
    return values;
  }

  [[nodiscard]] double energy(const std::vector<std::int64_t>& values) const {
    double sum = 0;
    for (std::size_t i = 0; i < unary_.size(); ++i) sum += unary_[i][values[i]].item<double>();
    for (std::size_t m = 0; m < messages_.size(); m += 2) {
      const Message& p = messages_[m];
      sum += p.energy[values[p.from]][values[p.to]].item<double>();
    }
    return sum;
  }

 private:
  static constexpr std::size_t kNoMessage = std::numeric_limits<std::size_t>::max();

  // Messages 2i and 2i + 1 are the two directions of a pair.
  void add(const PairEnergy& p) {
    auto first = static_cast<std::size_t>(p.first);
    auto second = static_cast<std::size_t>(p.second);
    at::Tensor energy = p.energy;
    if (first > second) {
      std::swap(first, second);
      energy = energy.t();
    }
    for (const std::size_t m : arriving_[second]) {
      if (messages_[m].from != first) continue;
      messages_[m].energy = messages_[m].energy + energy;
      messages_[m + 1].energy = messages_[m].energy.t();
      return;
    }
    arriving_[second].push_back(messages_.size());
    messages_.push_back({first, second, energy, at::zeros_like(unary_[second])});
    arriving_[first].push_back(messages_.size());
    messages_.push_back({second, first, energy.t(), at::zeros_like(unary_[first])});
  }

  // Unary energy of variable i plus all incoming messages except `without`.
  [[nodiscard]] at::Tensor belief(std::size_t i, std::size_t without) const {
    at::Tensor sum = unary_[i];
    for (const std::size_t m : arriving_[i]) {
      if (m != without) sum = sum + messages_[m].value;
    }
    return sum;
  }

  [[nodiscard]] at::Tensor computed(std::size_t m) const {
    const Message& out = messages_[m];
    const at::Tensor sum = belief(out.from, m ^ 1U).unsqueeze(1) + out.energy;
    const at::Tensor value = std::get<0>(at::min(sum, 0));
    const at::Tensor lowest = value.min();
    // A constant does not change the minimum; this one avoids growth.
    return std::isfinite(lowest.item<double>()) ? value - lowest : value;
  }

  void solve_tree(std::size_t root, std::vector<std::int64_t>& values) {
    // Messages towards the root in breadth-first order, so that in reverse each follows those it
    // needs.
    std::vector<std::size_t> inwards;
    std::vector<std::size_t> reached = {root};
    std::vector<std::size_t> arrived_by = {kNoMessage};
    for (std::size_t at = 0; at < reached.size(); ++at) {
      for (const std::size_t m : arriving_[reached[at]]) {
        if (arrived_by[at] != kNoMessage && m == (arrived_by[at] ^ 1U)) continue;
        inwards.push_back(m);
        reached.push_back(messages_[m].from);
        arrived_by.push_back(m);
      }
    }
    for (std::size_t i = inwards.size(); i-- > 0;)
      messages_[inwards[i]].value = computed(inwards[i]);
    values[root] = belief(root, kNoMessage).argmin().item<std::int64_t>();
    // The best value of each variable given that of its parent.
    for (const std::size_t m : inwards) {
      const Message& in = messages_[m];
      const at::Tensor given = belief(in.from, m ^ 1U) + in.energy.select(1, values[in.to]);
      values[in.from] = given.argmin().item<std::int64_t>();
    }
  }

  std::vector<at::Tensor> unary_;
  std::vector<Message> messages_;
  std::vector<std::vector<std::size_t>> arriving_;  // messages to each variable
};

MinSumResult solve_loops(Graph& graph, const MinSumOptions& options) {
  MinSumResult result;
  result.is_exact = result.converged = false;
  result.values = graph.best();
  result.energy = graph.energy(result.values);
  while (result.rounds < options.max_rounds && !result.converged) {
    result.converged = graph.round(options.damping) < kTolerance;
    ++result.rounds;
    std::vector<std::int64_t> values = graph.best();
    const double energy = graph.energy(values);
    if (energy < result.energy) {
      result.values = std::move(values);
      result.energy = energy;
    }
  }
  return result;
}

}  // namespace

MinSumResult min_sum(const std::vector<at::Tensor>& unary, const std::vector<PairEnergy>& pairs,
                     const MinSumOptions& options) {
  check(unary, pairs);
  Graph graph(unary, pairs);
  MinSumResult result;
  if (graph.is_forest()) {
    result.values = graph.solve_forest();
    result.energy = graph.energy(result.values);
  } else {
    result = solve_loops(graph, options);
  }
  if (!std::isfinite(result.energy)) {
    throw Error(ExitCode::kData, "{}: change the infinite energies",
                result.is_exact ? "no assignment has a finite energy"
                                : "no assignment with a finite energy was found");
  }
  return result;
}

MinSumResult viterbi(const at::Tensor& unary, const at::Tensor& transition) {
  std::vector<at::Tensor> variables = unary.unbind(0);
  std::vector<PairEnergy> pairs;
  for (std::int64_t i = 0; i + 1 < unary.size(0); ++i) pairs.push_back({i, i + 1, transition});
  return min_sum(variables, pairs);
}

}  // namespace valley
