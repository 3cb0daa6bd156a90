// `valley sample` of deep belief networks: Gibbs chains, of chosen classes too, and filters.
#pragma once

#include <ATen/core/Tensor.h>

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/sample_trajectory.h"
#include "experiment/experiment.h"
#include "inference/saved_model.h"
#include "methods/dbn/networks.h"

namespace valley::app {

struct GibbsArguments {
  std::string label;  // a class, "each", or nothing
  std::string pixels = "mean";
  bool filters = false;
  std::optional<std::int64_t> layer;  // of the filters, from 1

  // Whether anything asks for what deep belief networks alone have.
  [[nodiscard]] bool wanted() const;
  [[nodiscard]] bool each() const { return label == "each"; }
};

void add_gibbs_options(CLI::App& command, GibbsArguments& arguments);

// Error kUsage for what no model has.
void check_gibbs_arguments(const GibbsArguments& arguments);

// Error kUsage for a class that `saved`, whose model is `dbn`, cannot be held at. Returns the
// classes that samples are drawn of, or nothing where label units are free.
[[nodiscard]] std::vector<std::optional<std::int64_t>> classes_of(const GibbsArguments& arguments,
                                                                  const SavedModel& saved,
                                                                  const DeepBeliefNetwork& dbn);

// Runs the chains of these seeds, of each of classes_of() one after the other, writes what `way`
// asks for, and returns the pixels of their ends: uint8 [n, H, W, C].
[[nodiscard]] at::Tensor sample_by_gibbs(const GibbsArguments& arguments,
                                         const TrajectoryArguments& way,
                                         std::optional<std::int64_t> steps, const SavedModel& saved,
                                         const DeepBeliefNetwork& dbn,
                                         const std::vector<std::uint64_t>& seeds);

// The filters of a layer as a picture of `grid`, or of the longest 100, as square as they allow.
// What was written is said on stdout.
void draw_filters(const GibbsArguments& arguments, const std::optional<Grid>& grid,
                  const std::string& file, bool json, const SavedModel& saved,
                  const DeepBeliefNetwork& dbn);

}  // namespace valley::app
