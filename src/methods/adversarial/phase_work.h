// Work of the phases of an autoencoder GAN.
#pragma once

#include <optional>

#include "methods/adversarial/classes.h"
#include "methods/objective.h"
#include "methods/phase_work.h"

namespace valley {

// Per image: D is updated with real and generated images, G through D with D's parameters frozen.
// If a phase updates both, one pass over the generated images serves both. Mismatched pairs of a
// conditional model are one more update of D. nullopt for other models.
[[nodiscard]] std::optional<PhaseWork> adversarial_work(const Model& model, const Phase& phase,
                                                        const ClassOptions& classes);

}  // namespace valley
