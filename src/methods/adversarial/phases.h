// Phases of the methods that train a generator against an autoencoder.
#pragma once

#include "methods/objective.h"

namespace valley::phases {

inline constexpr const char* kDiscriminator = "D";
inline constexpr const char* kGenerator = "G";
inline constexpr const char* kBoth = "D and G";  // train.schedule = "shared"
inline constexpr const char* kPretrain = "pretrain";
inline constexpr const char* kMeasure = "measure";

// D and G in turn, until training ends.
[[nodiscard]] inline Stage alternating_stage() {
  return {"adversarial", 0, {{kDiscriminator, {"discriminator"}}, {kGenerator, {"generator"}}}};
}

}  // namespace valley::phases
