// Spectral norm (Miyato, Kataoka, Koyama, Yoshida 2018, arXiv 1802.05957): a weight divided by its
// largest singular value, so that a layer cannot stretch its input much.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "nn/parameters.h"

namespace valley {

class SpectralNorm {
 public:
  enum class Kind {
    kDivide,  // W / sigma
    kBound,   // W / max(sigma, 1): weights that start near zero stay small
  };
  // Of a weight [out, ...], read as a matrix of `out` rows. Keeps two derived buffers in `set`,
  // NAME
  // + ".u" [out] and ".v" [columns]: the singular vectors that power iteration is at.
  SpectralNorm(ParameterSet& set, const std::string& name, const at::Tensor& weight, Kind kind);
  // The normed weight. sigma = u^T W v is differentiated in W alone.
  [[nodiscard]] at::Tensor operator()() const;
  // Rounds of power iteration on the weight as it is now: v from u, then u from v.
  void iterate(int rounds) const;

 private:
  at::Tensor weight_;
  Kind kind_;
  at::Tensor u_;
  at::Tensor v_;
};

// What a network with spectral norms does in end_step: many rounds at the start, one after a step.
[[nodiscard]] int power_rounds(std::int64_t steps_done);

}  // namespace valley
