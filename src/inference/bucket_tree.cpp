#include "inference/bucket_tree.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "inference/log_sum.h"

namespace valley {
namespace {

constexpr std::size_t kMaxSize = std::numeric_limits<std::size_t>::max();

using Neighbors = std::vector<std::set<std::size_t>>;

Neighbors neighbors_of(const FactorGraph& graph) {
  Neighbors neighbors(graph.states.size());
  for (const Table& factor : graph.factors)
    for (const std::size_t a : factor.scope)
      for (const std::size_t b : factor.scope)
        if (a != b) neighbors[a].insert(b);
  return neighbors;
}

// Number of pairs of neighbors of `v` that are not neighbors of each other.
std::size_t fill_of(const Neighbors& neighbors, std::size_t v) {
  // Tables of so many variables cannot be filled; many may be eliminated before `v` is.
  constexpr std::size_t kMaxNeighbors = 64;
  const std::set<std::size_t>& around = neighbors[v];
  if (around.size() > kMaxNeighbors) return around.size() * around.size();
  std::size_t fill = 0;
  for (auto a = around.begin(); a != around.end(); ++a)
    for (auto b = std::next(a); b != around.end(); ++b)
      if (!neighbors[*a].contains(*b)) ++fill;
  return fill;
}

// Sums of some tables, which may be minus infinity, so that one of the tables can be taken out.
struct SplitSum {
  double finite = 0;
  std::size_t infinities = 0;

  void add(double value) {
    if (value == kMinusInfinity) {
      ++infinities;
    } else {
      finite += value;
    }
  }
  [[nodiscard]] double without(double value) const {
    const bool is_infinite = value == kMinusInfinity;
    if (infinities > (is_infinite ? 1U : 0U)) return kMinusInfinity;
    return is_infinite ? finite : finite - value;
  }
  [[nodiscard]] double value() const { return infinities > 0 ? kMinusInfinity : finite; }
};

}  // namespace

BucketTree::BucketTree(const FactorGraph& graph, double max_states)
    : graph_(graph), max_states_(max_states) {
  choose_order();
  if (fits()) connect();
}

void BucketTree::choose_order() {
  using Candidate = std::tuple<std::size_t, std::size_t, std::size_t>;  // fill, degree, variable
  Neighbors neighbors = neighbors_of(graph_);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  constexpr Candidate kNone{kMaxSize, kMaxSize, kMaxSize};
  std::vector<Candidate> newest(neighbors.size(), kNone);  // kNone: not offered, or eliminated
  const auto offer = [&](std::size_t v) {
    const Candidate candidate{fill_of(neighbors, v), neighbors[v].size(), v};
    if (newest[v] == candidate) return;
    newest[v] = candidate;
    queue.push(candidate);
  };
  for (std::size_t v = 0; v < neighbors.size(); ++v) offer(v);
  while (!queue.empty() && fits()) {
    const Candidate candidate = queue.top();
    queue.pop();
    const std::size_t v = std::get<2>(candidate);
    if (newest[v] != candidate) continue;
    newest[v] = kNone;
    const std::set<std::size_t> around = std::move(neighbors[v]);
    Bucket bucket;
    bucket.scope.assign(around.begin(), around.end());
    bucket.scope.push_back(v);
    double states = 1;
    for (const std::size_t u : bucket.scope) states *= static_cast<double>(graph_.states[u]);
    all_states_ += states;
    width_ = std::max(width_, around.size());
    buckets_.push_back(std::move(bucket));

    // The neighbors become neighbors of each other, so that the fill changes for them and for the
    // common neighbors of each new pair.
    std::set<std::size_t> changed = around;
    for (const std::size_t a : around) neighbors[a].erase(v);
    for (auto a = around.begin(); a != around.end(); ++a) {
      for (auto b = std::next(a); b != around.end(); ++b) {
        if (!neighbors[*a].insert(*b).second) continue;
        neighbors[*b].insert(*a);
        const bool is_smaller = neighbors[*a].size() < neighbors[*b].size();
        const std::set<std::size_t>& few = neighbors[is_smaller ? *a : *b];
        const std::set<std::size_t>& many = neighbors[is_smaller ? *b : *a];
        for (const std::size_t u : few)
          if (many.contains(u)) changed.insert(u);
      }
    }
    for (const std::size_t u : changed) offer(u);
  }
}

// Assigns each factor and message to the bucket of the variable that is eliminated first.
void BucketTree::connect() {
  std::vector<std::size_t> position(graph_.states.size());
  for (std::size_t i = 0; i < buckets_.size(); ++i) position[buckets_[i].scope.back()] = i;
  const auto first_of = [&](auto begin, auto end) {
    std::size_t first = buckets_.size();
    for (auto at = begin; at != end; ++at) first = std::min(first, position[*at]);
    return first;
  };
  for (const Table& factor : graph_.factors)
    buckets_[first_of(factor.scope.begin(), factor.scope.end())].factors.push_back(&factor);
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const std::vector<std::size_t>& scope = buckets_[i].scope;
    if (scope.size() > 1)
      buckets_[first_of(scope.begin(), std::prev(scope.end()))].children.push_back(i);
  }
}

std::vector<const Table*> BucketTree::tables_of(const Bucket& bucket,
                                                const std::vector<Table>& messages) const {
  std::vector<const Table*> tables = bucket.factors;
  for (const std::size_t child : bucket.children) tables.push_back(&messages[child]);
  return tables;
}

template <typename Eliminate>
std::vector<Table> BucketTree::collect(const Eliminate& eliminate) const {
  std::vector<Table> messages(buckets_.size());
  std::vector<double> column;  // per state of the bucket's variable
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& bucket = buckets_[i];
    const std::vector<const Table*> tables = tables_of(bucket, messages);
    messages[i].scope.assign(bucket.scope.begin(), std::prev(bucket.scope.end()));
    const std::size_t states = graph_.states[bucket.scope.back()];
    JointStates at(bucket.scope, graph_.states, tables);
    for (std::size_t n = 0; n < at.size(); ++n, at.advance()) {
      double sum = 0;
      for (std::size_t t = 0; t < tables.size(); ++t) sum += tables[t]->values[at.indices()[t]];
      column.push_back(sum);
      if (column.size() < states) continue;
      messages[i].values.push_back(eliminate(column));
      column.clear();
    }
  }
  return messages;
}

std::vector<std::size_t> BucketTree::best() const {
  const std::vector<Table> messages =
      collect([](const std::vector<double>& column) { return *std::ranges::max_element(column); });
  std::vector<std::size_t> x(graph_.states.size(), 0);
  for (std::size_t i = buckets_.size(); i-- > 0;) {
    const std::size_t variable = buckets_[i].scope.back();
    const std::vector<const Table*> tables = tables_of(buckets_[i], messages);
    double max = kMinusInfinity;
    std::size_t chosen = 0;
    for (std::size_t state = 0; state < graph_.states[variable]; ++state) {
      x[variable] = state;
      double sum = 0;
      for (const Table* table : tables) sum += table->values[index_in(*table, graph_.states, x)];
      if (sum > max) {
        max = sum;
        chosen = state;
      }
    }
    x[variable] = chosen;
  }
  return x;
}

BucketTree::Sums BucketTree::sums() const {
  const std::vector<Table> messages = collect(log_sum);
  Sums result;
  for (const Table& message : messages)
    if (message.scope.empty()) result.log_z += message.values[0];
  if (result.log_z == kMinusInfinity) return result;

  result.marginals.resize(graph_.states.size());
  std::vector<Table> down(buckets_.size());  // from the bucket that a message goes to, of its scope
  for (std::size_t i = buckets_.size(); i-- > 0;) {
    const Bucket& bucket = buckets_[i];
    std::vector<const Table*> tables = tables_of(bucket, messages);
    if (!down[i].scope.empty()) tables.push_back(&down[i]);
    std::vector<SplitSum> belief;
    JointStates at(bucket.scope, graph_.states, tables);
    for (std::size_t n = 0; n < at.size(); ++n, at.advance()) {
      SplitSum& sum = belief.emplace_back();
      for (std::size_t t = 0; t < tables.size(); ++t) sum.add(tables[t]->values[at.indices()[t]]);
    }

    // Sums over the states of the other variables, relative to the largest value.
    const std::size_t states = graph_.states[bucket.scope.back()];
    double max = kMinusInfinity;
    for (const SplitSum& sum : belief) max = std::max(max, sum.value());
    std::vector<double> marginal(states, 0);
    double all = 0;
    for (std::size_t n = 0; n < belief.size(); ++n) {
      const double p = std::exp(belief[n].value() - max);
      marginal[n % states] += p;
      all += p;
    }
    for (double& p : marginal) p /= all;
    result.marginals[bucket.scope.back()] = std::move(marginal);

    for (const std::size_t child : bucket.children) {
      const Table& up = messages[child];
      Table& message = down[child];
      message.scope = up.scope;
      std::vector<double> largest(up.values.size(), kMinusInfinity);
      JointStates maxima(bucket.scope, graph_.states, {&up});
      for (std::size_t n = 0; n < belief.size(); ++n, maxima.advance()) {
        const std::size_t to = maxima.indices()[0];
        largest[to] = std::max(largest[to], belief[n].without(up.values[to]));
      }
      message.values.assign(up.values.size(), 0);
      JointStates sums(bucket.scope, graph_.states, {&up});
      for (std::size_t n = 0; n < belief.size(); ++n, sums.advance()) {
        const std::size_t to = sums.indices()[0];
        if (largest[to] > kMinusInfinity)
          message.values[to] += std::exp(belief[n].without(up.values[to]) - largest[to]);
      }
      for (std::size_t to = 0; to < largest.size(); ++to)
        message.values[to] = largest[to] + std::log(message.values[to]);
    }
  }
  return result;
}

}  // namespace valley
