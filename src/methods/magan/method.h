// MAGAN: Margin Adaptation for Generative Adversarial Networks (Wang, Cully, Chang, Demiris 2017,
// arXiv 1704.03817).
#pragma once

#include <memory>

#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Method> make_magan_method();

}  // namespace valley
