// What objectives ask of a config, with the message for those that do not have it.
#pragma once

#include <string>

#include "models/model.h"
#include "objectives/energies.h"
#include "objectives/registry.h"

namespace valley {

// `model` as what an objective of autoencoder GANs works on. Error kConfig for any other.
[[nodiscard]] const AutoencoderGan& require_autoencoder_gan(const Model& model,
                                                            const ObjectiveOptions& options);

// Error kConfig for any schedule but "alternating".
void require_alternating(const ObjectiveOptions& options, const ObjectiveSetting& setting);

// Error kConfig when a margin is set: `instead` says what the objective has in its place.
void refuse_margins(const ObjectiveOptions& options, const std::string& instead);

// The margin that the options state, in the unit of `energy`. Error kConfig when they state none or
// two, or one that no energy of images in `range` can reach: the hinge could never switch off.
[[nodiscard]] double stated_margin(const ObjectiveOptions& options, Energy energy, PixelRange range,
                                   const ObjectiveSetting& setting);

}  // namespace valley
