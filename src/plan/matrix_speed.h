// The speed of a large matrix product, as the attainable speed of a device.
#pragma once

#include <ATen/core/Tensor.h>

namespace valley {

// FLOP/s of the fastest of several products of square matrices of `type` (or of the type that the
// device converts it to), with this process's threads and precision. Waits for the device.
[[nodiscard]] double matrix_speed(at::Device device, at::ScalarType type);

// The same on CPUs, from products of growing size that take about `seconds` together, for use in a
// training.
[[nodiscard]] double quick_matrix_speed(at::ScalarType type, double seconds);

}  // namespace valley
