#include "train/flat_group.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/optimizers.h"
#include "nn/tensor_pattern.h"
#include "train/digests.h"

namespace valley {
namespace {

// Strides of a dense tensor: NHWC order for images and convolution weights.
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

void FlatLayout::add(const std::string& name, at::IntArrayRef shape) {
  entries_.push_back({name, shape.vec(), dense_strides(shape), size_});
  size_ += (c10::multiply_integers(shape) + kAlignment - 1) / kAlignment * kAlignment;
}

at::Tensor FlatLayout::view(const at::Tensor& flat, std::size_t i) const {
  const Entry& entry = entries_.at(i);
  return flat.as_strided(entry.shape, entry.strides, flat.storage_offset() + entry.offset);
}

at::Tensor FlatLayout::blocks_of_weights() const {
  const at::Tensor blocks = at::zeros({size_ / kAlignment}, at::kByte);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].shape.size() >= 2)
      blocks.slice(0, entries_[i].offset / kAlignment, end(i) / kAlignment).fill_(1);
  }
  return blocks;
}

void FlatLayout::save(const at::Tensor& flat, const std::string& prefix, TensorMap& out,
                      DeferredCopies* later) const {
  // One contiguous copy at full memory bandwidth: training may wait for it.
  const at::Tensor copy =
      at::empty(flat.sizes(),
                flat.options().device(at::kCPU).pinned_memory(later != nullptr && flat.is_cuda()));
  if (later != nullptr) {
    later->add(flat.detach(), copy);
  } else {
    copy.copy_(flat.detach());
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) out[prefix + entries_[i].name] = view(copy, i);
}

void FlatLayout::load(const at::Tensor& flat, const std::string& prefix, const TensorMap& in,
                      const std::string& where) const {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    view(flat, i).copy_(require_tensor(in, prefix + entries_[i].name, entries_[i].shape, where));
  }
}

MatchedTensors FlatLayout::load_matching(const at::Tensor& flat, const std::string& prefix,
                                         const TensorMap& in) const {
  const at::NoGradGuard no_grad;
  MatchedTensors matched;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto found = in.find(prefix + entries_[i].name);
    const bool fits =
        found != in.end() && found->second.sizes() == at::IntArrayRef(entries_[i].shape);
    if (fits) view(flat, i).copy_(found->second);
    (fits ? matched.taken : matched.others).push_back(prefix + entries_[i].name);
  }
  return matched;
}

FlatGroup::FlatGroup(std::string name, const ParameterSet& set, at::Device device, bool trainable)
    : name_(std::move(name)) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : set.all()) layout_.add(p.name, p.value.sizes());
  std::vector<at::Tensor> kept;
  moving_ = layout_.size();
  for (const auto kind : {Buffer::Kind::kStatistic, Buffer::Kind::kDerived}) {
    for (const Buffer& b : set.buffers()) {
      if (b.kind != kind) continue;
      buffers_.add(b.name, b.value.sizes());
      kept.push_back(b.value);
    }
    if (kind == Buffer::Kind::kStatistic) moving_ += buffers_.size();
  }
  values_ =
      at::zeros({layout_.size() + buffers_.size()}, at::TensorOptions(device).dtype(at::kFloat));
  if (trainable) reduced_ = at::zeros({moving_ + kTail}, values_.options());
  const auto move = [](at::Tensor tensor, const at::Tensor& place) {
    place.copy_(tensor);
    tensor.set_data(place);
  };
  for (std::size_t i = 0; i < layout_.tensors(); ++i) {
    at::Tensor parameter = set.all()[i].value;
    move(parameter, layout_.view(values_, i));
    if (trainable) parameter.mutable_grad() = layout_.view(reduced_, i);
  }
  const std::int64_t statistics = moving_ - layout_.size();
  for (std::size_t i = 0; i < buffers_.tensors(); ++i) {
    at::Tensor buffer = kept[i];
    const at::Tensor place = buffers_.view(buffer_values(), i);
    move(buffer, place);
    const bool is_statistic = place.storage_offset() - layout_.size() < statistics;
    if (trainable && is_statistic)
      buffer.mutable_grad() = buffers_.view(reduced_.narrow(0, layout_.size(), statistics), i);
  }
}

at::Tensor FlatGroup::buffer_values() const {
  return values_.narrow(0, layout_.size(), buffers_.size());
}

void FlatGroup::keep_bf16_copy(const ParameterSet& set) {
  VALLEY_CHECK(set.all().size() == layout_.tensors());
  bf16_copy_ = parameters().to(at::kBFloat16);
  for (std::size_t i = 0; i < layout_.tensors(); ++i)
    *set.all()[i].bf16_copy = layout_.view(bf16_copy_, i);
}

void FlatGroup::keep_derived(const ParameterSet& set, at::ScalarType type) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : set.all()) {
    if (!p.derived_of) continue;
    *p.derived = p.derived_of(p.value).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    derived_.push_back({p.value, p.derived_of, *p.derived});
  }
}

void FlatGroup::derive() const {
  const at::NoGradGuard no_grad;
  for (const Derived& d : derived_) d.kept.copy_(d.of(d.from));
}

void FlatGroup::freeze(const std::vector<std::string>& patterns) {
  const auto add_matching = [&](const FlatLayout& layout, std::int64_t first, std::int64_t last,
                                std::vector<Range>& to) {
    for (std::size_t i = 0; i < layout.tensors() && layout.offset(i) < last; ++i) {
      const std::string name = name_ + "." + layout.name(i);
      const bool is_frozen = std::ranges::any_of(
          patterns, [&](const std::string& pattern) { return matches_pattern(name, pattern); });
      if (!is_frozen) continue;
      const Range found{first + layout.offset(i), first + layout.end(i)};
      if (!to.empty() && to.back().end == found.begin) {
        to.back().end = found.end;
      } else {
        to.push_back(found);
      }
    }
  };
  add_matching(layout_, 0, layout_.size(), frozen_);
  add_matching(buffers_, layout_.size(), moving_ - layout_.size(), frozen_statistics_);
}

void FlatGroup::zero_frozen() const {
  zero_frozen(reduced_);
  for (const auto& [begin, end] : frozen_statistics_) reduced_.slice(0, begin, end).zero_();
}

void FlatGroup::zero_frozen(const at::Tensor& moment) const {
  for (const auto& [begin, end] : frozen_) moment.slice(0, begin, end).zero_();
}

at::Tensor FlatGroup::decaying_blocks() const {
  const at::Tensor blocks = layout_.blocks_of_weights();
  for (const auto& [begin, end] : frozen_)
    blocks.slice(0, begin / FlatLayout::kAlignment, end / FlatLayout::kAlignment).zero_();
  return blocks.to(values_.device());
}

void FlatGroup::zero() const { reduced_.zero_(); }

void FlatGroup::take_statistics(double momentum, const at::Tensor& not_finite) const {
  const std::int64_t n = moving_ - layout_.size();
  if (n == 0) return;
  const at::NoGradGuard no_grad;
  const at::Tensor change = reduced_.narrow(0, layout_.size(), n) * momentum;
  values_.narrow(0, layout_.size(), n).add_(change.masked_fill(not_finite.to(at::kBool), 0.0));
}

void FlatGroup::average(const FlatGroup& other, double decay, const at::Tensor& not_finite) const {
  kernels::moving_average(parameters(), other.parameters(), decay, not_finite);
  const std::int64_t derived = values_.numel() - moving_;
  if (derived > 0)
    values_.narrow(0, moving_, derived).copy_(other.values_.narrow(0, moving_, derived));
}

void FlatGroup::save(const std::string& prefix, TensorMap& out, DeferredCopies* later) const {
  layout_.save(parameters(), prefix, out, later);
  if (buffers_.tensors() > 0) buffers_.save(buffer_values(), prefix, out);
}

void FlatGroup::update_copies() const {
  if (bf16_copy_.defined()) bf16_copy_.copy_(parameters());
  derive();
}

void FlatGroup::load(const std::string& prefix, const TensorMap& in,
                     const std::string& where) const {
  layout_.load(values_, prefix, in, where);
  update_copies();
  if (buffers_.tensors() > 0) buffers_.load(buffer_values(), prefix, in, where);
}

MatchedTensors FlatGroup::load_matching(const std::string& prefix, const TensorMap& in) const {
  MatchedTensors matched = layout_.load_matching(values_, prefix, in);
  update_copies();
  if (buffers_.tensors() == 0) return matched;
  const MatchedTensors buffers = buffers_.load_matching(buffer_values(), prefix, in);
  matched.taken.insert(matched.taken.end(), buffers.taken.begin(), buffers.taken.end());
  matched.others.insert(matched.others.end(), buffers.others.begin(), buffers.others.end());
  return matched;
}

void FlatGroup::add_digests(const std::string& network, Digests& digests) const {
  digests.add_flat(network + ".", layout_, parameters(), false);
  const std::int64_t others = values_.numel() - layout_.size();
  if (others > 0) digests.add("buffers of " + network, values_.narrow(0, layout_.size(), others));
  if (bf16_copy_.defined()) digests.add("bf16 copy of " + network, bf16_copy_);
  for (const Derived& d : derived_) digests.add("derived weights of " + network, d.kept);
}

}  // namespace valley
