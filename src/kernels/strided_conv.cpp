#include "kernels/strided_conv.h"

#include <ATen/ops/empty.h>

#include "core/error.h"
#include "kernels/conv_maps.h"
#include "kernels/dispatch.h"
#include "kernels/strided_conv_launch.h"

namespace valley::kernels {
namespace {

constexpr std::int64_t kMinSide =
    3;  // minimum of the small map: smaller ones fill too little of a 4x4 tile

bool is_4x4(const at::Tensor& weight) {
  return weight.dim() == 4 && weight.scalar_type() == at::kFloat && weight.size(2) == 4 &&
         weight.size(3) == 4;
}

}  // namespace

bool strided_conv_fits(const at::Tensor& x, std::int64_t out, bool transposed) {
  if (!own_conv_takes(x) || x.size(1) % kConvLanes != 0 || out % kConvLanes != 0) return false;
  const std::int64_t step = transposed ? 1 : 2;
  return x.size(2) % step == 0 && x.size(3) % step == 0 && x.size(2) / step >= kMinSide &&
         x.size(3) / step >= kMinSide;
}

at::Tensor strided_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        double leak, bool transposed) {
  const std::int64_t out = weight.size(transposed ? 1 : 0);
  VALLEY_CHECK(is_4x4(weight) && strided_conv_fits(x, out, transposed));
  VALLEY_CHECK(x.size(1) == weight.size(transposed ? 0 : 1));
  VALLEY_CHECK(!bias.defined() || is_flat(bias, out));
  const std::int64_t rows = transposed ? x.size(2) : x.size(2) / 2;
  const std::int64_t columns = transposed ? x.size(3) : x.size(3) / 2;
  const std::int64_t scale = transposed ? 2 : 1;
  const at::Tensor w = weight.contiguous();
  const at::Tensor y =
      at::empty({x.size(0), out, scale * rows, scale * columns}, x.options(), kMapLayout);
  cpu::run(cpu::StridedConv{x.const_data_ptr(),
                            w.const_data_ptr<float>(),
                            bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                            static_cast<float>(leak),
                            y.mutable_data_ptr(),
                            {x.size(0), rows, columns, weight.size(1), weight.size(0), is_bf16(x)},
                            transposed});
  return y;
}

at::Tensor strided_conv_weight_gradient(const at::Tensor& large, const at::Tensor& small) {
  VALLEY_CHECK(strided_conv_fits(large, small.size(1), false) && is_map(small));
  VALLEY_CHECK(large.scalar_type() == small.scalar_type() && large.size(0) == small.size(0) &&
               large.size(2) == 2 * small.size(2) && large.size(3) == 2 * small.size(3));
  const cpu::StridedShape shape{small.size(0), small.size(2), small.size(3),
                                large.size(1), small.size(1), is_bf16(large)};
  const at::TensorOptions floats = large.options().dtype(at::kFloat);
  const at::Tensor scratch = at::empty({cpu::strided_scratch(shape)}, floats);
  const at::Tensor weights = at::empty({shape.small, shape.large, 4, 4}, floats);
  cpu::run(cpu::StridedWeightGradient{large.const_data_ptr(), small.const_data_ptr(),
                                      scratch.mutable_data_ptr<float>(),
                                      weights.mutable_data_ptr<float>(), shape});
  return weights;
}

}  // namespace valley::kernels
