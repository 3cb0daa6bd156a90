// Latent vectors of `valley sample`: from seeds or a file, and paths between them.
#pragma once

#include <ATen/core/Tensor.h>

#include <CLI/App.hpp>
#include <cstdint>
#include <string>

#include "inference/latent_walk.h"
#include "inference/saved_model.h"

namespace valley::app {

// Limits of --interpolate.
inline constexpr std::int64_t kMinWalkSteps = 2;
inline constexpr std::int64_t kMaxWalkSteps = 4096;

struct LatentArguments {
  std::string file;              // --latents
  std::int64_t interpolate = 0;  // steps from each latent vector to the next; 0: no path
  std::string path = "auto";
  bool loop = false;

  [[nodiscard]] bool is_requested() const {
    return !file.empty() || interpolate > 0 || path != "auto" || loop;
  }
};

void add_latent_options(CLI::App& command, LatentArguments& arguments);

// The tensor "latents" of a file of `valley sample --save-latents` or `valley restore --save`:
// float [n, latent] on the host. Error kMissingInput or kData naming the file.
[[nodiscard]] at::Tensor read_latents(const std::string& file);

// Number of samples between `ends` latent vectors: of frames, or of cells of a grid. Error kUsage
// for arguments that are not possible and for more than `max` samples.
[[nodiscard]] std::int64_t count_interpolated(const LatentArguments& arguments, std::int64_t ends,
                                              bool is_animated, std::int64_t max);

// The latent vectors to draw from the end points `ends` [n, latent] on the model's device. Error
// kData for end points that are not those of the model.
[[nodiscard]] at::Tensor interpolate_ends(const LatentArguments& arguments, const at::Tensor& ends,
                                          const SavedModel& saved, bool is_animated);

// The path of --interpolate between the rows of `ends`, whatever they are.
[[nodiscard]] at::Tensor walk_ends(const LatentArguments& arguments, const at::Tensor& ends,
                                   LatentPath path, bool is_animated);

}  // namespace valley::app
