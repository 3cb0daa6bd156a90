// What a device can do at best: the speed of a large matrix product.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley {

// FLOP/s of the fastest of several products of square matrices of `type`, or of what the device
// multiplies it as, with this process's threads and precision. Waits for the device.
[[nodiscard]] double matrix_speed(at::Device device, at::ScalarType type);

}  // namespace valley
