#include "kernels/narrow_conv.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/flip.h>

#include "core/error.h"
#include "kernels/conv_maps.h"
#include "kernels/dispatch.h"
#include "kernels/narrow_conv_launch.h"

namespace valley::kernels {
namespace {

bool is_few(std::int64_t channels) { return channels == 1 || channels == 3; }
bool is_many(std::int64_t channels) { return channels > 0 && channels % kConvLanes == 0; }

cpu::SmallChannelShape shape_of(const at::Tensor& x, std::int64_t few, std::int64_t many) {
  return {x.size(0), x.size(2), x.size(3), few, many};
}

// Uninitialized [B, O, H, W].
at::Tensor output_of(const at::Tensor& x, std::int64_t out) {
  return at::empty({x.size(0), out, x.size(2), x.size(3)}, x.options(), kMapLayout);
}

at::Tensor widening(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor w = weight.permute({2, 3, 1, 0}).contiguous();
  const at::Tensor y = output_of(x, weight.size(0));
  cpu::run(cpu::SmallInputConv{x.const_data_ptr(), w.const_data_ptr<float>(),
                               bias.const_data_ptr<float>(), y.mutable_data_ptr(), is_bf16(x),
                               shape_of(x, weight.size(1), weight.size(0))});
  return y;
}

// `bias` may be undefined.
at::Tensor narrowing(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor w = weight.permute({2, 0, 3, 1}).contiguous();
  const at::Tensor y = output_of(x, weight.size(0));
  cpu::run(cpu::SmallOutputConv{x.const_data_ptr(), w.const_data_ptr<float>(),
                                bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                                y.mutable_data_ptr(), is_bf16(x),
                                shape_of(x, weight.size(0), weight.size(1))});
  return y;
}

bool is_weight(const at::Tensor& weight) {
  return weight.dim() == 4 && weight.scalar_type() == at::kFloat && weight.size(2) == 3 &&
         weight.size(3) == 3;
}

}  // namespace

bool small_channel_conv_fits(const at::Tensor& x, std::int64_t in, std::int64_t out) {
  return own_conv_takes(x) && ((is_few(in) && is_many(out)) || (is_many(in) && is_few(out)));
}

at::Tensor small_channel_conv(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias) {
  VALLEY_CHECK(is_weight(weight) && is_flat(bias, weight.size(0)));
  VALLEY_CHECK(small_channel_conv_fits(x, weight.size(1), weight.size(0)) &&
               x.size(1) == weight.size(1));
  return is_few(weight.size(1)) ? widening(x, weight, bias) : narrowing(x, weight, bias);
}

at::Tensor small_channel_conv_input_gradient(const at::Tensor& gradient, const at::Tensor& weight) {
  VALLEY_CHECK(is_weight(weight) && is_few(weight.size(1)) && gradient.size(1) == weight.size(0));
  VALLEY_CHECK(small_channel_conv_fits(gradient, weight.size(0), weight.size(1)));
  return narrowing(gradient, at::flip(weight, {2, 3}).transpose(0, 1), {});
}

at::Tensor small_channel_transposed_conv(const at::Tensor& x, const at::Tensor& weight,
                                         const at::Tensor& bias) {
  const std::int64_t many = weight.size(0);
  const std::int64_t few = weight.size(1);
  VALLEY_CHECK(weight.scalar_type() == at::kFloat && weight.size(2) == 4 && weight.size(3) == 4);
  VALLEY_CHECK(is_few(few) && small_channel_conv_fits(x, many, few) && x.size(1) == many);
  VALLEY_CHECK(!bias.defined() || is_flat(bias, few));
  // Even output rows use every second row of the flipped kernel, odd ones the other rows.
  const at::Tensor w = at::flip(weight, {2, 3})
                           .reshape({many, few, 2, 2, 2, 2})
                           .permute({3, 5, 2, 1, 4, 0})
                           .contiguous();
  const at::Tensor y =
      at::empty({x.size(0), few, 2 * x.size(2), 2 * x.size(3)}, x.options(), kMapLayout);
  cpu::run(cpu::SmallOutputTransposedConv{x.const_data_ptr(), w.const_data_ptr<float>(),
                                          bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                                          y.mutable_data_ptr(), is_bf16(x),
                                          shape_of(x, few, many)});
  return y;
}

at::Tensor small_channel_conv_weight_gradient(const at::Tensor& gradient, const at::Tensor& x,
                                              const at::Tensor& bias_gradient) {
  const std::int64_t in = x.size(1);
  const std::int64_t out = gradient.size(1);
  VALLEY_CHECK(small_channel_conv_fits(x, in, out) && is_map(gradient));
  VALLEY_CHECK(gradient.scalar_type() == x.scalar_type() && gradient.size(0) == x.size(0) &&
               gradient.size(2) == x.size(2) && gradient.size(3) == x.size(3));
  const bool widens = is_few(in);
  VALLEY_CHECK(!bias_gradient.defined() || (!widens && is_flat(bias_gradient, out)));
  const at::Tensor& few = widens ? x : gradient;
  const at::Tensor& many = widens ? gradient : x;
  const cpu::SmallChannelShape shape = shape_of(x, few.size(1), many.size(1));
  const at::TensorOptions floats = x.options().dtype(at::kFloat);
  const at::Tensor scratch =
      at::empty({cpu::small_channel_slices(shape), cpu::small_channel_slice_floats(shape)}, floats);
  const at::Tensor weights = at::empty({3, 3, shape.few, shape.many}, floats);
  cpu::run(cpu::SmallChannelWeightGradient{
      few.const_data_ptr(), many.const_data_ptr(), is_bf16(x), scratch.mutable_data_ptr<float>(),
      weights.mutable_data_ptr<float>(),
      bias_gradient.defined() ? bias_gradient.mutable_data_ptr<float>() : nullptr, shape});
  // Convolutions to few channels sum over mirrored offsets.
  return widens ? weights.permute({3, 2, 0, 1}) : at::flip(weights, {0, 1}).permute({2, 3, 0, 1});
}

}  // namespace valley::kernels
