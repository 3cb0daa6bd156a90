#include "train/flat_group.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kAlignment = 64;  // elements

// Strides of a dense tensor; those of NHWC order for images and convs' weights.
std::vector<std::int64_t> dense_strides(at::IntArrayRef shape) {
  if (shape.size() == 4) {
    const std::int64_t c = shape[1];
    const std::int64_t w = shape[3];
    return {shape[2] * w * c, 1, w * c, c};
  }
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace

FlatLayout::FlatLayout(const ParameterSet& parameters) {
  for (const Parameter& p : parameters.all()) {
    entries_.push_back({p.name, p.value.sizes().vec(), dense_strides(p.value.sizes()), size_});
    size_ += (p.value.numel() + kAlignment - 1) / kAlignment * kAlignment;
  }
}

at::Tensor FlatLayout::view(const at::Tensor& flat, std::size_t i) const {
  const Entry& entry = entries_.at(i);
  return flat.as_strided(entry.shape, entry.strides, flat.storage_offset() + entry.offset);
}

void FlatLayout::save(const at::Tensor& flat, const std::string& prefix, TensorMap& out) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    out[prefix + entries_[i].name] =
        view(flat, i).detach().to(at::kCPU).clone(at::MemoryFormat::Contiguous);
  }
}

void FlatLayout::load(const at::Tensor& flat, const std::string& prefix, const TensorMap& in,
                      const std::string& where) const {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    view(flat, i).copy_(require_tensor(in, prefix + entries_[i].name, entries_[i].shape, where));
  }
}

FlatGroup::FlatGroup(std::string name, const ParameterSet& set, at::Device device, bool trainable)
    : name_(std::move(name)),
      layout_(set),
      values_(at::zeros({layout_.size()}, at::TensorOptions(device).dtype(at::kFloat))) {
  const at::NoGradGuard no_grad;
  if (trainable) reduced_ = at::zeros({layout_.size() + kTail}, values_.options());
  for (std::size_t i = 0; i < layout_.tensors(); ++i) {
    at::Tensor parameter = set.all()[i].value;
    const at::Tensor place = layout_.view(values_, i);
    place.copy_(parameter);
    parameter.set_data(place);
    if (trainable) parameter.mutable_grad() = layout_.view(reduced_, i);
  }
}

void FlatGroup::zero() const { reduced_.zero_(); }

}  // namespace valley
