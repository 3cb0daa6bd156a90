#include "kernels/kernels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/round.h>

#include "core/error.h"
#include "kernels/launch.h"

namespace valley::kernels {
namespace {

template <typename Kernel>
void run(const at::Tensor& where, const Kernel& kernel) {
  if (where.is_cuda()) {
    cuda::run(kernel);
  } else {
    cpu::run(kernel);
  }
}

bool is_flat(const at::Tensor& t, std::int64_t n) {
  return t.scalar_type() == at::kFloat && t.is_contiguous() && t.numel() == n;
}

}  // namespace

void images_from_bytes(const at::Tensor& bytes, const at::Tensor& out, const Mirror& mirror,
                       const at::Tensor& position, std::int64_t offset) {
  VALLEY_CHECK(bytes.scalar_type() == at::kByte && bytes.dim() == 4 && bytes.is_contiguous());
  VALLEY_CHECK(out.scalar_type() == at::kFloat &&
               out.is_contiguous(at::MemoryFormat::ChannelsLast));
  VALLEY_CHECK(out.sizes() ==
               at::IntArrayRef({bytes.size(0), bytes.size(3), bytes.size(1), bytes.size(2)}));
  VALLEY_CHECK(position.scalar_type() == at::kLong && position.device() == out.device());
  run(out, ImagesFromBytes{bytes.const_data_ptr<std::uint8_t>(), out.mutable_data_ptr<float>(),
                           bytes.size(0), bytes.size(1), bytes.size(2), bytes.size(3), mirror.on,
                           mirror.seed, position.const_data_ptr<std::int64_t>(), offset});
}

at::Tensor bytes_from_images(const at::Tensor& images) {
  VALLEY_CHECK(images.dim() == 4);
  const at::Tensor scaled = at::round((images.detach().to(at::kFloat) + 1.0) * 127.5);
  return at::clamp(scaled, 0, 255).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

void fill_uniform(const at::Tensor& out, const UniformDraw& draw, const at::Tensor& position,
                  std::int64_t offset) {
  VALLEY_CHECK(out.dim() == 2 && is_flat(out, out.numel()));
  VALLEY_CHECK(position.scalar_type() == at::kLong && position.device() == out.device());
  run(out, FillUniform{out.mutable_data_ptr<float>(), out.size(0), out.size(1), draw.seed,
                       static_cast<std::uint32_t>(draw.stream), draw.low, draw.high,
                       position.const_data_ptr<std::int64_t>(), offset});
}

void fill_normal(const at::Tensor& out, const NormalDraw& draw, const at::Tensor& position,
                 std::int64_t offset) {
  VALLEY_CHECK(out.dim() == 2 && is_flat(out, out.numel()));
  VALLEY_CHECK(position.scalar_type() == at::kLong && position.device() == out.device());
  run(out, FillNormal{out.mutable_data_ptr<float>(), out.size(0), out.size(1), draw.seed,
                      static_cast<std::uint32_t>(draw.stream), draw.deviation,
                      position.const_data_ptr<std::int64_t>(), offset, draw.first_block});
}

void adam(const at::Tensor& value, const at::Tensor& gradient, const at::Tensor& first,
          const at::Tensor& second, const at::Tensor& rate, const at::Tensor& updates,
          const at::Tensor& skip, const AdamSettings& settings) {
  const std::int64_t n = value.numel();
  VALLEY_CHECK(is_flat(value, n) && is_flat(gradient, n) && is_flat(first, n) &&
               is_flat(second, n));
  VALLEY_CHECK(rate.scalar_type() == at::kDouble && updates.scalar_type() == at::kLong &&
               skip.scalar_type() == at::kInt);
  run(value,
      Adam{value.mutable_data_ptr<float>(), gradient.const_data_ptr<float>(),
           first.mutable_data_ptr<float>(), second.mutable_data_ptr<float>(), n,
           rate.const_data_ptr<double>(), updates.const_data_ptr<std::int64_t>(),
           skip.const_data_ptr<std::int32_t>(), settings.beta1, settings.beta2, settings.epsilon});
}

void moving_average(const at::Tensor& average, const at::Tensor& value, double decay,
                    const at::Tensor& skip) {
  VALLEY_CHECK(is_flat(average, average.numel()) && is_flat(value, average.numel()));
  VALLEY_CHECK(skip.scalar_type() == at::kInt);
  run(average, MovingAverage{average.mutable_data_ptr<float>(), value.const_data_ptr<float>(),
                             average.numel(), static_cast<float>(1.0 - decay),
                             skip.const_data_ptr<std::int32_t>()});
}

}  // namespace valley::kernels
