#include "evaluate/psnr.h"

#include <ATen/TensorOperators.h>

#include <cmath>
#include <limits>

namespace valley {

double SquaredError::psnr() const {
  constexpr double kPeak = 255;
  if (elements == 0) return std::numeric_limits<double>::quiet_NaN();
  return 10 * std::log10(kPeak * kPeak * static_cast<double>(elements) / sum);
}

SquaredError& SquaredError::operator+=(const SquaredError& other) {
  sum += other.sum;
  elements += other.elements;
  return *this;
}

SquaredError squared_error(const at::Tensor& image, const at::Tensor& truth,
                           const at::Tensor& where) {
  at::Tensor squares = (image.to(at::kDouble) - truth.to(at::kDouble)).square();
  if (where.defined()) squares = squares.index({where});
  return {squares.sum().item<double>(), squares.numel()};
}

}  // namespace valley
