// log Z of the top RBM of a deep belief network, and log p(x) of images, distributed over ranks and
// threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "evaluate/blocks.h"
#include "evaluate/labeled_images.h"
#include "inference/log_partition.h"
#include "methods/dbn/networks.h"

namespace valley {

struct AnnealingSettings {
  std::int64_t temperatures = 14500;  // steps from 0 to 1
  std::int64_t chains = 100;
  std::uint64_t seed = 0;
};

// Collective: log Z of `rbm`, by enumeration if possible, else by annealed importance sampling.
// Bitwise equal for any number of ranks and threads. Sets LibTorch to one thread meanwhile.
[[nodiscard]] LogPartition log_partition(const Team& team, const Rbm& rbm,
                                         const AnnealingSettings& settings);

// Collective: log p(x) for one RBM, and for a deeper network a lower bound, whose mean over hidden
// states is estimated with `draws` samples (Salakhutdinov and Murray 2008, section 4.2):
//   sum over layers below the top (log P(v | h) + entropy of h given v) - F_top - log Z,
// with h sampled layer by layer. double [images] in nats, on the host of every rank. `log_z`: of
// the top RBM. With Bernoulli units each draw binarizes the image, where the gray level is the
// probability of 1. With Gaussian units it is the density of the standardized pixels. Label units
// are summed out.
[[nodiscard]] at::Tensor log_likelihoods(const Team& team, const DeepBeliefNetwork& dbn,
                                         const LabeledImages& images, double log_z,
                                         std::int64_t draws, std::uint64_t seed);

}  // namespace valley
