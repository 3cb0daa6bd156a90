// Options of MAGAN's objective.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "methods/adversarial/classes.h"

namespace valley {

struct MaganOptions {
  std::string energy = "l2_sum";  // see methods/adversarial/energies.h
  std::int64_t pretrain_epochs = 2;
  ClassOptions classes;

  void add_keys(Schema& schema);
};

}  // namespace valley
