#include "run/dry_run.h"

#include <set>
#include <string>
#include <vector>

#include "comm/backend.h"
#include "core/json_text.h"
#include "core/text.h"
#include "methods/registry.h"
#include "plan/cost_report.h"
#include "plan/plan_report.h"

namespace valley {

PlanDevices find_plan_devices(World& world) {
  const std::vector<std::string> names = world.gather(host_name());
  const bool is_cuda = world.device().device().is_cuda();
  return {is_cuda ? "cuda" : "cpu", is_cuda ? static_cast<std::int64_t>(visible_gpus().size()) : 0,
          world.size(),
          static_cast<std::int64_t>(std::set<std::string>(names.begin(), names.end()).size())};
}

void print_plan(const TrainRequest& request, const Experiment& experiment, const Schema& schema,
                const RunPlan& plan, const Dataset& dataset, const PlanFacts& facts) {
  const auto model = make_meta_model(experiment.model);
  const CostEstimate cost = estimate_cost(*model, experiment, plan, request.question);
  if (request.json) {
    print_json_text(write_plan_json(schema, *model, plan, cost, dataset, facts));
    return;
  }
  print_to_stdout("{}\n{}{}{}", schema.to_toml(),
                  describe_plan(*model, experiment, plan, dataset, facts.steps),
                  describe_cost(cost), as_comments(facts.checkpoints + "\n" + facts.launch));
}

}  // namespace valley
