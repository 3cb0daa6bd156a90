// MCMC-trained energy-based models (Du & Mordatch 2019, arXiv 1903.08689).
#pragma once

#include <memory>

#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Method> make_ebm_method();

}  // namespace valley
