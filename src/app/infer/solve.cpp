#include "app/infer/solve.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "core/json_text.h"
#include "core/text.h"
#include "inference/bucket_tree.h"

namespace valley::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxShown = 64;  // variables in the table

[[noreturn]] void fail_impossible(const std::string& model, bool has_evidence) {
  throw Error(ExitCode::kData, "{}: every assignment{} has probability 0", model,
              has_evidence ? " with this evidence" : "");
}

BestAssignment find_best(const BucketTree& tree, const ConditionedGraph& given,
                         const InferRequest& request) {
  BestAssignment best;
  if (tree.fits()) {
    best.values = tree.best();
    best.log_value = log_value(given.graph, best.values);
  } else {
    LoopyBest found = loopy_best(given.graph, request.loopy);
    best = {std::move(found.x), found.log_value, {false, found.converged, found.rounds}};
  }
  best.log_value += given.constant;
  return best;
}

Sums find_sums(const BucketTree& tree, const ConditionedGraph& given, const InferRequest& request) {
  Sums sums;
  if (tree.fits()) {
    BucketTree::Sums found = tree.sums();
    sums = {found.log_z, std::move(found.marginals), {}};
  } else {
    LoopySums found = loopy_sums(given.graph, request.loopy);
    sums = {found.log_z, std::move(found.marginals), {false, found.converged, found.rounds}};
  }
  sums.log_z += given.constant;
  return sums;
}

std::string method_text(const Effort& effort, std::size_t width) {
  if (effort.is_exact) return fmt::format("exact: variable elimination of width {}", width);
  return fmt::format("not exact: messages in loops, {} after {} rounds",
                     effort.converged ? "converged" : "not converged", effort.rounds);
}

double log10_of(double nats) { return nats / std::numbers::ln10; }

}  // namespace

Inference infer(const FactorGraph& graph, const Evidence& evidence, const InferRequest& request,
                const std::string& model) {
  const ConditionedGraph given = condition(graph, evidence);
  if (given.constant == kMinusInfinity) fail_impossible(model, !evidence.empty());
  const BucketTree tree(given.graph, static_cast<double>(request.max_states));
  Inference result{model, graph.factors.size(), graph.states, evidence.size(), tree.width(), {},
                   {}};

  result.best = find_best(tree, given, request);
  if (result.best.log_value == kMinusInfinity) {
    if (tree.fits()) fail_impossible(model, !evidence.empty());
    throw Error(ExitCode::kData,
                "{}: messages in loops found no assignment with a probability above 0; the graph "
                "is too wide for variable elimination with --max-states {}: try a larger one",
                model, request.max_states);
  }
  for (const auto& [variable, state] : evidence) result.best.values[variable] = state;
  if (!request.wants_marginals) return result;

  result.sums = find_sums(tree, given, request);
  if (result.sums->marginals.empty()) fail_impossible(model, !evidence.empty());
  for (const auto& [variable, state] : evidence) {
    std::vector<double>& marginal = result.sums->marginals[variable];
    marginal.assign(graph.states[variable], 0);
    marginal[state] = 1;
  }
  return result;
}

std::string to_table(const Inference& r) {
  const std::size_t shown = std::min(kMaxShown, r.states.size());
  std::string text = fmt::format("{}: {}, {}{}\n\n", printable_line(r.model),
                                 plural(static_cast<std::int64_t>(r.states.size()), "variable"),
                                 plural(static_cast<std::int64_t>(r.factors), "factor"),
                                 r.observed > 0 ? fmt::format(", {} observed", r.observed) : "");
  text += fmt::format("assignment  {}\nenergy      {:.6f} nats (log10 value {:.6f})\nvalues     ",
                      method_text(r.best.effort, r.width), 0.0 - r.best.log_value,
                      log10_of(r.best.log_value));
  for (std::size_t v = 0; v < shown; ++v) text += fmt::format(" {}", r.best.values[v]);
  const std::string more = shown < r.states.size()
                               ? fmt::format("\n            and {} more: --json or -o lists all",
                                             r.states.size() - shown)
                               : "";
  text += more + "\n";
  if (!r.sums) return text;
  text += fmt::format("\nmarginals   {}\nlog Z       {:.6f} nats (log10 {:.6f})\n\n{:<10}  {}\n",
                      method_text(r.sums->effort, r.width), r.sums->log_z, log10_of(r.sums->log_z),
                      "variable", "probabilities of its states");
  for (std::size_t v = 0; v < shown; ++v) {
    text += fmt::format("{:<10} ", v);
    const std::vector<double>& marginal = r.sums->marginals[v];
    for (std::size_t s = 0; s < std::min<std::size_t>(marginal.size(), 10); ++s)
      text += fmt::format(" {:.4f}", marginal[s]);
    text += marginal.size() > 10 ? " ...\n" : "\n";
  }
  return text + (more.empty() ? "" : more.substr(1) + "\n");
}

std::string to_json(const Inference& r) {
  Json json = {{"model", r.model},
               {"variables", r.states.size()},
               {"factors", r.factors},
               {"observed", r.observed},
               {"width", r.width},
               {"is_exact", r.best.effort.is_exact},
               {"converged", r.best.effort.converged},
               {"rounds", r.best.effort.rounds},
               {"energy", 0.0 - r.best.log_value},
               {"values", r.best.values}};
  if (r.sums) {
    json["sums_exact"] = r.sums->effort.is_exact;
    json["sums_converged"] = r.sums->effort.converged;
    json["sums_rounds"] = r.sums->effort.rounds;
    json["log_z"] = r.sums->log_z;
    json["marginals"] = r.sums->marginals;
  }
  return write_json(json, 2);
}

}  // namespace valley::app
