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

void Microbatch::keep_ahead(RandomStream stream, at::Tensor made) {
  ahead_of_ = stream;
  ahead_ = std::move(made);
}

at::Tensor Microbatch::kept_ahead(RandomStream stream) const {
  return ahead_of_ == stream ? ahead_ : at::Tensor();
}

void Microbatch::trace(const std::string& name, const at::Tensor& values) const {
  if (traces_ != nullptr) traces_->write(name, place_.offset, values);
}

SampleTraces::SampleTraces(std::vector<std::string> names, std::int64_t global_batch,
                           at::Device device)
    : names_(std::move(names)),
      written_(names_.size(), false),
      values_(at::zeros({static_cast<std::int64_t>(names_.size()), global_batch},
                        at::TensorOptions(device).dtype(at::kFloat))) {}

void SampleTraces::write(const std::string& name, std::int64_t offset, const at::Tensor& values) {
  const auto found = std::ranges::find(names_, name);
  VALLEY_CHECK(found != names_.end());
  written_[static_cast<std::size_t>(found - names_.begin())] = true;
  values_[found - names_.begin()].narrow(0, offset, values.size(0)).copy_(values.detach());
}

}  // namespace valley
