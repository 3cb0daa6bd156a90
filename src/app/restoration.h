// What `valley restore` found, for its table, its JSON and its pictures.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/psnr.h"
#include "samplers/trajectory.h"

namespace valley::app {

// Of one version of an image: damaged, filled from its neighbours, restored.
struct Version {
  double energy = 0;
  SquaredError whole;    // against the truth; nothing where that is not known
  SquaredError unknown;  // of unknown pixels alone
};

struct RestoredImage {
  std::string name;
  std::int64_t unknown_pixels = 0;
  double truth_energy = 0;  // 0 without a truth
  Version damaged, filled, restored;
};

struct Restoration {
  std::string model;
  std::string method;      // Restorer::describe
  std::string energy;      // ImageEnergy::describe
  std::string unknown_by;  // how unknown pixels were told
  double noise = 0;
  bool has_truth = false;
  std::vector<RestoredImage> images;
  at::Tensor truth;  // uint8 [n, H, W, C]; without a truth undefined
  at::Tensor damaged, filled, restored;
  at::Tensor unknown;              // bool [n, 1, H, W]
  std::vector<Trajectory> strips;  // in pieces, in images' order; empty unless asked for
};

// The squared errors of all images together.
[[nodiscard]] Version pooled(const Restoration& restoration, Version RestoredImage::*version);

[[nodiscard]] std::string to_json(const Restoration& restoration);
[[nodiscard]] std::string to_table(const Restoration& restoration);

}  // namespace valley::app
