#include "samplers/replay_buffer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/kernels.h"

namespace valley {
namespace {

constexpr double kLevels = 256;

at::Tensor uniform(const ChainPlace& place, RandomStream stream, std::int64_t n,
                   std::int64_t elements) {
  at::Tensor out = at::empty({n, elements}, place.position.options().dtype(at::kFloat));
  kernels::fill_uniform(out, {place.seed, stream, 0.0F, 1.0F}, place.position, place.offset);
  return out;
}

}  // namespace

at::Tensor pixels_from_chains(const at::Tensor& images) {
  const at::Tensor levels = (images.detach() * kLevels).floor().clamp(0, kLevels - 1);
  return levels.permute({0, 2, 3, 1}).to(at::kByte).contiguous();
}

ReplayBuffer::ReplayBuffer(const ReplayShape& shape, double restart, at::Device device)
    : shape_(shape), restart_(restart) {
  VALLEY_CHECK(shape.slots > 0 && shape.slots % shape.chains_per_step == 0);
  const auto bytes = at::TensorOptions(device).dtype(at::kByte);
  slots_ = at::zeros({shape.parts, shape.slots, shape.height, shape.width, shape.channels}, bytes);
  put_ = at::zeros({shape.parts, shape.chains_per_step, shape.height, shape.width, shape.channels},
                   bytes);
  taken_ = at::zeros({}, bytes.dtype(at::kLong));
}

ReplayBuffer::Start ReplayBuffer::draw(std::int64_t part, const ChainPlace& place,
                                       std::int64_t n) const {
  const at::NoGradGuard no_grad;
  const at::Tensor choice = uniform(place, RandomStream::kReplay, n, 2);
  const at::Tensor filled = taken_.clamp_max(shape_.slots);
  const at::Tensor slot = (choice.select(1, 0).to(at::kDouble) * filled).floor().to(at::kLong);
  const at::Tensor fresh = (choice.select(1, 1).to(at::kDouble) < restart_).logical_or(filled == 0);
  const at::Tensor noise =
      uniform(place, RandomStream::kReplayStart, n, shape_.height * shape_.width * shape_.channels)
          .view({n, shape_.height, shape_.width, shape_.channels});
  const at::Tensor kept = (slots_[part].index_select(0, slot).to(at::kFloat) + noise) / kLevels;
  const at::Tensor images = at::where(fresh.view({n, 1, 1, 1}), noise, kept);
  return {images.permute({0, 3, 1, 2}).contiguous(at::MemoryFormat::ChannelsLast),
          fresh.to(at::kFloat)};
}

void ReplayBuffer::put(std::int64_t part, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  put_[part].copy_(pixels_from_chains(images));
}

void ReplayBuffer::commit(const at::Tensor& ok) {
  const at::NoGradGuard no_grad;
  // The chains of a step form one block per part. Blocks of all parts are along dimension 0,
  // because on GPUs index_copy_ along another dimension may sort and copy the whole buffer.
  const std::int64_t blocks = shape_.slots / shape_.chains_per_step;
  const at::Tensor all = slots_.view({shape_.parts * blocks, -1});
  const at::Tensor block = taken_.div(shape_.chains_per_step, "floor").remainder(blocks);
  const at::Tensor places = at::arange(shape_.parts, taken_.options()) * blocks + block;
  const at::Tensor chains = put_.view({shape_.parts, -1});
  all.index_copy_(0, places, at::where(ok, chains, all.index_select(0, places)));
  taken_.add_(ok.to(at::kLong), shape_.chains_per_step);
}

at::Tensor ReplayBuffer::newest(std::int64_t part, std::int64_t n) const {
  const std::int64_t taken = taken_.item<std::int64_t>();
  const std::int64_t available = std::min({n, taken, shape_.slots});
  // From the newest step to older ones; within a step in the order of the microbatch.
  at::Tensor places = at::empty({available}, at::kLong);
  auto* place = places.mutable_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < available; ++i) {
    const std::int64_t step = i / shape_.chains_per_step;
    const std::int64_t within = i % shape_.chains_per_step;
    place[i] = (taken - (step + 1) * shape_.chains_per_step + within) % shape_.slots;
  }
  return slots_[part].index_select(0, places.to(slots_.device())).to(at::kCPU);
}

}  // namespace valley
