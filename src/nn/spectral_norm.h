// Spectral norm (Miyato, Kataoka, Koyama, Yoshida 2018, arXiv 1802.05957): divides a weight by its
// largest singular value, which bounds the layer's Lipschitz constant.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "nn/parameters.h"

namespace valley {

class SpectralNorm {
 public:
  enum class Kind {
    kDivide,  // W / sigma
    kBound,   // W / max(sigma, 1), for weights that start near zero
  };
  // For a weight [out, ...], viewed as a matrix with `out` rows. Adds two derived buffers to `set`,
  // NAME + ".u" [out] and ".v" [columns]: the singular vectors that power iteration is at.
  SpectralNorm(ParameterSet& set, const std::string& name, const at::Tensor& weight, Kind kind);
  // The normalized weight. sigma = u^T W v is differentiated with respect to W only.
  [[nodiscard]] at::Tensor operator()() const;
  // Runs `rounds` of power iteration on the current weight: v from u, then u from v.
  void iterate(int rounds) const;

 private:
  at::Tensor weight_;
  Kind kind_;
  at::Tensor u_;
  at::Tensor v_;
};

// Rounds of power iteration that networks run in end_step: many before the first step, then one.
[[nodiscard]] int power_rounds(std::int64_t steps_done);

}  // namespace valley
