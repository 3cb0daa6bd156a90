// Restorations that know nothing of images but that neighbours are alike: what a model's have to
// beat, and where they start. Images are float [B, C, H, W].
#pragma once

#include <ATen/core/Tensor.h>

namespace valley {

// Unknown pixels (bool [B, 1, H, W]) as the mean of those of the 3x3 pixels around them that are
// known, ring by ring from the edge of what is known inwards; gray where nothing is known. Known
// ones stay.
[[nodiscard]] at::Tensor fill_unknown(const at::Tensor& images, const at::Tensor& unknown);

// Each number as the median of the 3x3 around it in its channel; beyond the edge the edge goes on.
[[nodiscard]] at::Tensor median_filter(const at::Tensor& images);

}  // namespace valley
