// Options of BEGAN's objective.
#pragma once

#include <string>

#include "core/config.h"
#include "methods/adversarial/classes.h"

namespace valley {

struct BeganOptions {
  std::string energy = "l1_mean";  // the only one allowed: k is controlled by means over pixels
  double gamma = 0.5;              // setpoint of the diversity ratio E[L(G(z))] / E[L(x)]
  double lambda_k = 1e-3;          // gain of k
  ClassOptions classes;

  void add_keys(Schema& schema);
};

}  // namespace valley
