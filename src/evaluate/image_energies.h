// The energies of many images, distributed over ranks and threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "evaluate/blocks.h"
#include "evaluate/labeled_images.h"
#include "inference/image_energy.h"

namespace valley {

// Collective: the energies of all images, float [n] on the host of every rank, bitwise equal for
// any number of ranks and threads. Sets LibTorch to one thread meanwhile. `task`: its name in
// progress reports.
[[nodiscard]] at::Tensor image_energies(const Team& team, const std::string& task,
                                        const ImageEnergy& energy, const LabeledImages& images);

// Error kData for energies that are not finite, naming `model` (the model's file), their number and
// the first image.
void require_finite_energies(const at::Tensor& energies, const LabeledImages& images,
                             const std::string& model);

}  // namespace valley
