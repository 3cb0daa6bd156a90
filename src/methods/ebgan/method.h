// EBGAN and EBGAN-PT: Energy-based Generative Adversarial Network (Zhao, Mathieu, LeCun 2016, arXiv
// 1609.03126).
#pragma once

#include <memory>

#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Method> make_ebgan_method();

}  // namespace valley
