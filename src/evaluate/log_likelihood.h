// What a deep belief network's density says of images: log Z of its top machine, and log p(x),
// shared out over ranks and threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "evaluate/blocks.h"
#include "evaluate/labelled_images.h"
#include "inference/log_partition.h"
#include "methods/dbn/networks.h"

namespace valley {

struct AnnealingSettings {
  std::int64_t temperatures = 14500;  // steps from 0 to 1
  std::int64_t chains = 100;
  std::uint64_t seed = 0;
};

// Collective: log Z of `rbm`, by enumeration where that is possible, else by annealed chains. The
// same bits on every rank, for any number of ranks and threads; LibTorch's threads are set to one
// meanwhile.
[[nodiscard]] LogPartition log_partition(const Team& team, const Rbm& rbm,
                                         const AnnealingSettings& settings);

// Collective: of one machine log p(x), of a deeper network a lower bound of it whose mean over
// hidden states is estimated with `draws` of them (Salakhutdinov and Murray 2008, section 4.2):
//   sum over layers below the top (log P(v | h) + entropy of h given v) - F_top - log Z,
// h drawn layer by layer. double [images] in nats on the host, on every rank. `log_z`: of the top
// machine. Bernoulli units: of binary images, whose pixels are on with the probability that a gray
// level is; each draw has its own. Gaussian units: the density of the standardised pixels. Label
// units are summed out.
[[nodiscard]] at::Tensor log_likelihoods(const Team& team, const DeepBeliefNetwork& dbn,
                                         const LabelledImages& images, double log_z,
                                         std::int64_t draws, std::uint64_t seed);

}  // namespace valley
