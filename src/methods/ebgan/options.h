// Options of the objective of EBGAN and EBGAN-PT.
#pragma once

#include <string>

#include "core/config.h"
#include "methods/adversarial/classes.h"

namespace valley {

struct EbganOptions {
  std::string energy = "l2_norm";  // see methods/adversarial/energies.h
  // The margin of the hinge loss, in the unit of `energy`, or as the RMSE of a pixel value.
  AutoDouble margin;
  AutoDouble margin_rmse;
  std::string pulling_away = "none";  // none, squared or cosine
  double pulling_away_weight = 0.1;
  ClassOptions classes;

  void add_keys(Schema& schema);
};

}  // namespace valley
