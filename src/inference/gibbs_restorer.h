// Restoration by one restricted Boltzmann machine, whose conditional distributions are exact.
#pragma once

#include <memory>

#include "inference/restorer.h"
#include "methods/dbn/networks.h"

namespace valley {

// Gibbs chains with the known pixels held: hidden units (and labels) given the pixels, unknown
// pixels given these. What comes out is the mean of the unknown pixels' means over the second half
// of the steps, an estimate of E[x | known pixels]. Pixels y that are known but for Gaussian noise
// of variance s^2 are drawn from P(v | h) times N(y; v, s^2 / weight), which both kinds of units
// have in closed form. Error kUsage for settings of other methods and for a network of more than
// one machine, whose hidden units no such chain can draw.
[[nodiscard]] std::unique_ptr<Restorer> make_gibbs_restorer(const DeepBeliefNetwork& dbn,
                                                            const RestoreRequest& request,
                                                            at::Device device);

}  // namespace valley
