// BEGAN (Berthelot, Schumm, Metz 2017, arXiv 1703.10717, equations 3 to 7):
//   phase D  L_D = L(x) - k_t L(G(z_D)), G not differentiated
//   phase G  L_G = L(G(z_G)), D frozen
//   k_{t+1} = clip(k_t + lambda_k (gamma L(x) - L(G(z_G))), 0, 1), k_0 = 0
//   M = L(x) + abs(gamma L(x) - L(G(z_G)))
// L is `l1_mean`, averaged over the global batch; z_D and z_G are separate draws from U(-1, 1). k
// is kept on the device in double precision. With train.schedule = "shared" one phase updates both
// networks from one pass over the generated images, z_G = z_D, as common implementations do.
#pragma once

#include <memory>

#include "methods/began/options.h"
#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Objective> make_began_objective(const BeganOptions& options,
                                                              const Model& model,
                                                              const ObjectiveSetting& setting);

}  // namespace valley
