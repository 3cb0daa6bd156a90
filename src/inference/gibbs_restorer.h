// Restoration by Gibbs sampling in a single restricted Boltzmann machine.
#pragma once

#include <memory>

#include "inference/restorer.h"
#include "methods/dbn/networks.h"

namespace valley {

// Gibbs chains with fixed known pixels: hidden units (and labels) given the pixels, unknown pixels
// given these. The result is the conditional mean of the unknown pixels averaged over the second
// half of the steps, an estimate of E[x | known pixels]. Pixels y with known Gaussian noise of
// variance s^2 are drawn from P(v | h) N(y; v, s^2 / weight), which has a closed form for both
// kinds of units. Error kUsage for settings of other methods and for a network of several RBMs,
// whose hidden units given the pixels have no exact conditional distribution.
[[nodiscard]] std::unique_ptr<Restorer> make_gibbs_restorer(const DeepBeliefNetwork& dbn,
                                                            const RestoreRequest& request,
                                                            at::Device device);

}  // namespace valley
