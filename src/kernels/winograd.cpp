#include "kernels/winograd.h"

#include <ATen/ops/empty.h>

#include "core/error.h"
#include "kernels/conv_maps.h"
#include "kernels/winograd_launch.h"

namespace valley::kernels {
namespace {

constexpr std::int64_t kPlaces = 36;  // elements of a transformed tile

// [36, I, O]; `reversed`: [36, O, I] of the kernels rotated by 180 degrees, for the gradient of x.
at::Tensor transformed(const at::Tensor& weight, bool reversed) {
  VALLEY_CHECK(weight.scalar_type() == at::kFloat);
  const at::Tensor plain =
      (reversed ? weight.permute({2, 3, 0, 1}) : weight.permute({2, 3, 1, 0})).contiguous();
  const at::Tensor out = at::empty({kPlaces, plain.size(2), plain.size(3)}, plain.options());
  cpu::run(cpu::WinogradWeights{plain.const_data_ptr<float>(), out.mutable_data_ptr<float>(),
                                plain.size(2), plain.size(3), reversed});
  return out;
}

}  // namespace

bool winograd_fits(const at::Tensor& x, std::int64_t in, std::int64_t out) {
  return own_conv_takes(x) && in % kConvLanes == 0 && out % kConvLanes == 0;
}

at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         bool upsamples) {
  VALLEY_CHECK(winograd_fits(x, weight.size(1), weight.size(0)) && x.size(1) == weight.size(1));
  VALLEY_CHECK(!bias.defined() || (bias.is_contiguous() && bias.scalar_type() == at::kFloat &&
                                   bias.numel() == weight.size(0)));
  const at::Tensor u = transformed(weight, false);
  const std::int64_t scale = upsamples ? 2 : 1;
  const at::Tensor y = at::empty({x.size(0), weight.size(0), scale * x.size(2), scale * x.size(3)},
                                 x.options(), kMapLayout);
  cpu::run(cpu::WinogradConv{x.const_data_ptr(), u.const_data_ptr<float>(),
                             bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                             y.mutable_data_ptr(), is_bf16(x), x.size(0), x.size(2), x.size(3),
                             x.size(1), weight.size(0), upsamples, false});
  return y;
}

at::Tensor winograd_input_gradient(const at::Tensor& gradient, const at::Tensor& weight,
                                   bool upsamples) {
  const std::int64_t out = weight.size(1);
  VALLEY_CHECK(winograd_fits(gradient, weight.size(0), out));
  VALLEY_CHECK(gradient.size(1) == weight.size(0));
  const std::int64_t scale = upsamples ? 2 : 1;
  const std::int64_t rows = gradient.size(2) / scale;
  const std::int64_t columns = gradient.size(3) / scale;
  VALLEY_CHECK(rows * scale == gradient.size(2) && columns * scale == gradient.size(3));
  const at::Tensor u = transformed(weight, true);
  const at::Tensor x =
      at::empty({gradient.size(0), out, rows, columns}, gradient.options(), kMapLayout);
  cpu::run(cpu::WinogradConv{gradient.const_data_ptr(), u.const_data_ptr<float>(), nullptr,
                             x.mutable_data_ptr(), is_bf16(gradient), gradient.size(0),
                             gradient.size(2), gradient.size(3), weight.size(0), out, false,
                             upsamples});
  return x;
}

at::Tensor winograd_weight_gradient(const at::Tensor& gradient, const at::Tensor& x,
                                    bool upsamples) {
  const std::int64_t in = x.size(1);
  const std::int64_t out = gradient.size(1);
  VALLEY_CHECK(winograd_fits(x, in, out) && is_map(gradient));
  VALLEY_CHECK(gradient.scalar_type() == x.scalar_type());
  const std::int64_t scale = upsamples ? 2 : 1;
  VALLEY_CHECK(gradient.size(0) == x.size(0) && gradient.size(2) == scale * x.size(2) &&
               gradient.size(3) == scale * x.size(3));
  const std::int64_t slices = cpu::winograd_slices(x.size(0), gradient.size(2), gradient.size(3));
  const at::TensorOptions floats = x.options().dtype(at::kFloat);
  const at::Tensor scratch = at::empty({slices, kPlaces, in, out}, floats);
  const at::Tensor weights = at::empty({3, 3, in, out}, floats);
  cpu::run(cpu::WinogradWeightGradient{
      x.const_data_ptr(), gradient.const_data_ptr(), is_bf16(x), scratch.mutable_data_ptr<float>(),
      weights.mutable_data_ptr<float>(), x.size(0), x.size(2), x.size(3), in, out, upsamples});
  return weights.permute({3, 2, 0, 1});
}

}  // namespace valley::kernels
