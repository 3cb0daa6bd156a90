// RBMs and deep belief networks (Hinton, Osindero, Teh 2006; Hinton's practical guide of 2010).
#pragma once

#include <memory>

#include "methods/method.h"

namespace valley {

[[nodiscard]] std::unique_ptr<Method> make_dbn_method();

}  // namespace valley
