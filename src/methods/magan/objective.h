// MAGAN (Wang, Cully, Chang, Demiris 2017, arXiv 1704.03817, algorithm 1): EBGAN with a margin that
// never increases and is updated after each epoch.
//   pretrain     D only, on real images, for some epochs
//   measure      one epoch without updates: m = mean D(x)
//   adversarial  phase D  D(x) + max(0, m - D(G(z_D)));  phase G  D(G(z_G));  and at the end of an
//     epoch, with S_D and S_G its sums over batches of mean D(x) and mean D(G(z_G)):
//     if S_G > S_G of the previous epoch and S_D < S_G and S_D / steps < m:  m = S_D / steps
// S_G before the first epoch is infinite. An epoch is exactly floor(N / global_batch) steps, so
// that sums of epochs can be compared. M = D(x) + abs(D(x) - D(G(z_G))) decreases while training
// converges.
#pragma once

#include <memory>

#include "methods/magan/options.h"
#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Objective> make_magan_objective(const MaganOptions& options,
                                                              const Model& model,
                                                              const ObjectiveSetting& setting);

}  // namespace valley
