// Work of the phases of an autoencoder GAN.
#pragma once

#include <optional>

#include "methods/objective.h"
#include "methods/phase_work.h"

namespace valley {

// Per image: D learns from real and generated images, G through D, whose parameters are fixed.
// Where a phase updates both, one pass over the generated images serves both. Nothing for another
// kind of model.
[[nodiscard]] std::optional<PhaseWork> adversarial_work(const Model& model, const Phase& phase);

}  // namespace valley
