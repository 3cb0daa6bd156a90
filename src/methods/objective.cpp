#include "methods/objective.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"

namespace valley {

double Stage::lr_scale_at(std::int64_t step) const {
  if (decay_every == 0) return lr_scale;
  const auto interval = static_cast<double>(step / decay_every + 1);
  const auto intervals = static_cast<double>(length / decay_every);
  return lr_scale * (1 - interval / (intervals + 1));
}

at::Tensor Microbatch::latents(RandomStream stream, const LatentDraw& draw) const {
  at::Tensor z = at::empty({place_.size, draw.size}, place_.position.options().dtype(at::kFloat));
  fill_latents(z, draw, place_.seed, stream, place_.position, place_.offset);
  return z;
}

void Microbatch::store_prefetched(RandomStream stream, at::Tensor images) {
  prefetched_stream_ = stream;
  prefetched_ = std::move(images);
}

at::Tensor Microbatch::prefetched(RandomStream stream) const {
  return prefetched_stream_ == stream ? prefetched_ : at::Tensor();
}

void Microbatch::record_metric(const std::string& name, const at::Tensor& values) const {
  if (metrics_ != nullptr) metrics_->write(name, place_.offset, values);
}

SampleMetrics::SampleMetrics(std::vector<std::string> names, std::int64_t global_batch,
                             at::Device device)
    : names_(std::move(names)),
      written_(names_.size(), false),
      values_(at::zeros({static_cast<std::int64_t>(names_.size()), global_batch},
                        at::TensorOptions(device).dtype(at::kFloat))) {}

void SampleMetrics::write(const std::string& name, std::int64_t offset, const at::Tensor& values) {
  const auto found = std::ranges::find(names_, name);
  VALLEY_CHECK(found != names_.end());
  written_[static_cast<std::size_t>(found - names_.begin())] = true;
  values_[found - names_.begin()].narrow(0, offset, values.size(0)).copy_(values.detach());
}

}  // namespace valley
