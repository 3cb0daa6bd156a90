// The result of `valley restore`, as text and as JSON.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/psnr.h"
#include "samplers/trajectory.h"

namespace valley::app {

// Measurements of one version of an image: damaged, filled from neighbors, or restored.
struct Version {
  double energy = 0;
  SquaredError whole;    // over all pixels, against the truth; empty without one
  SquaredError unknown;  // over unknown pixels
};

struct RestoredImage {
  std::string name;
  std::int64_t unknown_pixels = 0;
  double truth_energy = 0;  // 0 without a truth
  Version damaged, filled, restored;
  // Only with method "latent": the image generated from the latent vector, against the known pixels
  // of the damaged image.
  SquaredError fit{};
  std::int64_t latent_steps = 0;
  std::int64_t latent_starts = 0;
};

struct Restoration {
  std::string model;
  std::string method;      // Restorer::describe
  std::string energy;      // ImageEnergy::describe
  std::string unknown_by;  // criterion for unknown pixels
  double noise = 0;
  bool has_truth = false;
  std::vector<RestoredImage> images;
  at::Tensor truth;  // uint8 [n, H, W, C]; undefined without a truth
  at::Tensor damaged, filled, restored;
  at::Tensor unknown;                    // bool [n, 1, H, W]
  at::Tensor latents;                    // float [n, latent]; only with method "latent"
  at::Tensor generated;                  // uint8 [n, H, W, C] from them
  std::vector<Trajectory> trajectories;  // one per batch of images; only with --strip
};

// Mean energy and summed squared errors of all images.
[[nodiscard]] Version pooled(const Restoration& restoration, Version RestoredImage::*version);

[[nodiscard]] std::string to_json(const Restoration& restoration);
[[nodiscard]] std::string to_table(const Restoration& restoration);

}  // namespace valley::app
