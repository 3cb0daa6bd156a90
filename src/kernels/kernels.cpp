#include "kernels/kernels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/round.h>

#include "core/error.h"
#include "kernels/dispatch.h"

namespace valley::kernels {

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
                       position.const_data_ptr<std::int64_t>(), offset, draw.first_block});
}

void fill_normal(const at::Tensor& out, const NormalDraw& draw, const at::Tensor& position,
                 std::int64_t offset, const at::Tensor& later) {
  VALLEY_CHECK(out.dim() == 2 && is_flat(out, out.numel()));
  VALLEY_CHECK(position.scalar_type() == at::kLong && position.device() == out.device());
  VALLEY_CHECK(!later.defined() ||
               (later.scalar_type() == at::kLong && later.device() == out.device()));
  run(out, FillNormal{out.mutable_data_ptr<float>(), out.size(0), out.size(1), draw.seed,
                      static_cast<std::uint32_t>(draw.stream), draw.deviation,
                      position.const_data_ptr<std::int64_t>(), offset, draw.first_block,
                      later.defined() ? later.const_data_ptr<std::int64_t>() : nullptr});
}

namespace {

at::Tensor moved(const at::Tensor& images, const at::Tensor& windows, float fill, bool inverse) {
  VALLEY_CHECK(images.dim() == 4 && images.scalar_type() == at::kFloat);
  VALLEY_CHECK(windows.scalar_type() == at::kInt && windows.is_contiguous());
  VALLEY_CHECK(windows.sizes() == at::IntArrayRef({images.size(0), kWindowSize}));
  const at::Tensor in = images.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor out = at::empty(in.sizes(), in.options(), at::MemoryFormat::ChannelsLast);
  run(out, ShiftAndCut{in.const_data_ptr<float>(), out.mutable_data_ptr<float>(),
                       windows.const_data_ptr<std::int32_t>(), in.size(0), in.size(2), in.size(3),
                       in.size(1), fill, inverse});
  return out;
}

}  // namespace

at::Tensor shift_and_cut(const at::Tensor& images, const at::Tensor& windows, float fill) {
  return moved(images, windows, fill, false);
}

at::Tensor shift_and_cut_backward(const at::Tensor& gradient, const at::Tensor& windows) {
  return moved(gradient, windows, 0, true);
}

}  // namespace valley::kernels
