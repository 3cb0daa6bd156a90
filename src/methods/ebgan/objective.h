// EBGAN and EBGAN-PT (Zhao, Mathieu, LeCun 2016, arXiv 1609.03126, equations 1, 2 and 4):
//   phase D  L_D = D(x) + max(0, m - D(G(z_D)))
//   phase G  L_G = D(G(z_G)) + w f_PT(codes of G(z_G))
// The margin m is a constant. f_PT (methods/adversarial/pulling_away.h) couples the samples of a
// microbatch. The paper does not define a convergence measure: M = D(x) + abs(D(x) - D(G(z_G))) is
// MAGAN's.
#pragma once

#include <memory>

#include "methods/ebgan/options.h"
#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Objective> make_ebgan_objective(const EbganOptions& options,
                                                              const Model& model,
                                                              const ObjectiveSetting& setting);

}  // namespace valley
