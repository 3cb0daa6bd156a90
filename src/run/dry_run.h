// Output of `valley train --dry-run`.
#pragma once

#include "comm/world.h"
#include "data/dataset.h"
#include "plan/plan_json.h"
#include "run/training_run.h"

namespace valley {

// Devices of all ranks. Collective.
[[nodiscard]] PlanDevices find_plan_devices(World& world);

// Prints the plan on standard output, as comments after the resolved config or, with request.json,
// as JSON.
void print_plan(const TrainRequest& request, const Experiment& experiment, const Schema& schema,
                const RunPlan& plan, const Dataset& dataset, const PlanFacts& facts);

}  // namespace valley
