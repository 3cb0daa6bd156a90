// `valley sample` for deep belief networks: Gibbs chains, optionally per class, and filters.
#pragma once

#include <ATen/core/Tensor.h>

#include <CLI/App.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/sample/trajectory.h"
#include "experiment/experiment.h"
#include "inference/sample_source.h"
#include "inference/saved_model.h"
#include "methods/dbn/networks.h"

namespace valley::app {

struct GibbsArguments {
  std::string label;  // see app/sample/labels.h; also of conditional generators
  std::string pixels = "mean";
  bool filters = false;
  std::optional<std::int64_t> layer;  // whose filters to draw, from 1

  // True if any option needs a deep belief network, whose options these are except --label.
  [[nodiscard]] bool is_requested() const;
};

void add_gibbs_options(CLI::App& command, GibbsArguments& arguments);

// Error kUsage for arguments that are invalid for every model.
void check_gibbs_arguments(const GibbsArguments& arguments);

// The classes to condition on; one nullopt without --label. Error kUsage for a class that `dbn`,
// the model of `saved`, does not have.
[[nodiscard]] std::vector<std::optional<std::int64_t>> requested_classes(
    const GibbsArguments& arguments, const SavedModel& saved, const DeepBeliefNetwork& dbn);

// Runs a chain per seed and class of requested_classes() (seeds vary fastest), writes the requested
// trajectories, and returns the final pixels: uint8 [n, H, W, C].
[[nodiscard]] at::Tensor sample_by_gibbs(const GibbsArguments& arguments,
                                         const TrajectoryArguments& trajectory,
                                         std::optional<std::int64_t> steps, const SavedModel& saved,
                                         const DeepBeliefNetwork& dbn,
                                         const std::vector<std::uint64_t>& seeds);

// Error kUsage if `dbn`, the model of `saved` or null, is null: some options are for deep belief
// networks only.
void require_gibbs_model(const SavedModel& saved, const DeepBeliefNetwork* dbn);

// Samples by seed with --label CLASS, if there is one, and --pixels. `saved` must outlive it.
[[nodiscard]] std::unique_ptr<SampleSource> make_gibbs_class_source(
    const GibbsArguments& arguments, std::optional<std::int64_t> steps, const SavedModel& saved,
    const DeepBeliefNetwork& dbn);

// Draws as many filters of a layer as `grid` holds, by descending norm; by default 100. Prints the
// result on stdout.
void draw_filters(const GibbsArguments& arguments, const std::optional<Grid>& grid,
                  const std::string& file, bool json, const SavedModel& saved,
                  const DeepBeliefNetwork& dbn);

}  // namespace valley::app
