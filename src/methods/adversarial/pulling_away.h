// EBGAN's pulling-away term (Zhao, Mathieu, LeCun 2016, arXiv 1609.03126, section 2.4): similarity
// of the codes of a microbatch of generated samples.
//   f_PT = 1 / (N (N - 1)) sum over i != j of (s_i . s_j / (|s_i| |s_j|))^2
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace valley {

enum class PullingAway {
  kNone,
  kSquared,  // as in the paper
  kCosine,   // without the square, as in lecture notes
};

// "none", "squared" or "cosine". Error kConfig for other names.
[[nodiscard]] PullingAway parse_pulling_away(const std::string& name);

// codes [N, ...], N >= 2; returns [], differentiable. 0 for kNone.
[[nodiscard]] at::Tensor pulling_away(PullingAway kind, const at::Tensor& codes);

}  // namespace valley
