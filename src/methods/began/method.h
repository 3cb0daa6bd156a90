// BEGAN: Boundary Equilibrium Generative Adversarial Networks (Berthelot, Schumm, Metz 2017, arXiv
// 1703.10717).
#pragma once

#include <memory>

#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Method> make_began_method();

}  // namespace valley
