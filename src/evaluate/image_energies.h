// The energies of many images, shared out over ranks and threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "evaluate/blocks.h"
#include "evaluate/labelled_images.h"
#include "inference/image_energy.h"

namespace valley {

// Collective: float [n] on the host, the energy of each image in their order, on every rank; the
// same bits for any number of ranks and threads. LibTorch's threads are set to one meanwhile.
// `doing`: what the team's progress calls it.
[[nodiscard]] at::Tensor image_energies(const Team& team, const std::string& doing,
                                        const ImageEnergy& energy, const LabelledImages& images);

// Error kData where energies are not finite: how many, the name of the first image, and `model`,
// the file that gave them.
void require_finite_energies(const at::Tensor& energies, const LabelledImages& images,
                             const std::string& model);

}  // namespace valley
