// Restorations from neighboring pixels without a model: the baseline and the initial images of
// restorers. Images are float [B, C, H, W].
#pragma once

#include <ATen/core/Tensor.h>

namespace valley {

// Replaces unknown pixels (bool [B, 1, H, W]) by the mean of the known ones in their 3x3
// neighborhood, ring by ring from the known pixels inwards. Images without known pixels become
// gray.
[[nodiscard]] at::Tensor fill_unknown(const at::Tensor& images, const at::Tensor& unknown);

// Median of the 3x3 neighborhood of each element in its channel; edges are replicated.
[[nodiscard]] at::Tensor median_filter(const at::Tensor& images);

}  // namespace valley
