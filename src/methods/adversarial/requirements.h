// Checks that objectives of autoencoder GANs share.
#pragma once

#include <string_view>

#include "methods/adversarial/autoencoder_gan.h"
#include "methods/method.h"

namespace valley {

// `model` as an AutoencoderGan. Error kConfig naming `method` for any other model.
[[nodiscard]] const AutoencoderGan& require_autoencoder_gan(const Model& model,
                                                            std::string_view method);

// Error kConfig for schedules other than kAlternating.
void require_alternating(const ObjectiveSetting& setting, std::string_view method);

}  // namespace valley
