// The ranks of a job that build a data set together (`mpirun valley shard build`).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/error.h"
#include "data/builder.h"
#include "run/failure.h"

namespace valley::app {

// The ranks that a launcher started, or null for one process, which does not use MPI.
[[nodiscard]] std::unique_ptr<World> join_builders();

// Default of --jobs: the cores of the host, divided by its ranks.
[[nodiscard]] unsigned default_jobs(World* world);

// Collective, unless `world` is null: calls `function` on every rank at the same time. If it throws
// on several ranks, the first of them throws; the others wait until that ends the job, so that an
// error is reported once.
template <typename Function>
auto on_every_rank(World* world, const Function& function) {
  if (world == nullptr) return function();
  std::optional<decltype(function())> result;
  std::optional<Failure> failure;
  try {
    result.emplace(function());
  } catch (...) {
    failure = current_failure();
  }
  const std::vector<std::string> outcomes = world->gather(failure ? "failed" : "");
  for (int rank = 0; rank < world->size(); ++rank) {
    if (outcomes[static_cast<std::size_t>(rank)].empty()) continue;
    if (rank == world->rank()) throw Error(failure->code, "{}", failure->message);
    world->host().barrier();
  }
  return *std::move(result);
}

// build_dataset, or build_dataset_on_ranks, which returns the report on rank 0 only. Error kConfig
// if ranks have different sources.
[[nodiscard]] std::optional<BuildReport> build_on(World* world, const ImageSource& source,
                                                  const BuildOptions& options);

}  // namespace valley::app
