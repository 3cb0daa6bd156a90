// `valley sample --count N --to DEST`: many samples, drawn by all ranks, into a folder of PNGs, an
// npz file or a data set of shards.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "app/sample/gibbs.h"

namespace valley::app {

struct ManyArguments {
  std::string destination;
  std::optional<std::uint64_t> count;
  std::optional<std::uint64_t> first;  // seed
  bool shards = false;

  [[nodiscard]] bool is_requested() const {
    return !destination.empty() || count || first || shards;
  }
};

void add_many_options(CLI::App& command, ManyArguments& arguments);

// Options of the command that apply to many samples, too.
struct ManyModel {
  std::string run;
  std::string device;
  bool raw = false;
  std::optional<std::int64_t> steps;  // length of chains
  GibbsArguments gibbs;
  bool json = false;
};

// Collective, on all ranks of the job. Sample i of --count has the seed first + i, and the same
// bytes for any number of ranks and threads. A repeated command keeps the samples of a killed one.
void sample_many(const ManyArguments& arguments, const ManyModel& model);

}  // namespace valley::app
