// The tensors of one network in flat buffers: parameters and what it keeps besides (its buffers),
// and the gradients of the former with the statistics of the latter.
//
//   values   [ parameters | running statistics | derived buffers ]
//   reduced  [ gradients  | statistics         | tail ]
//
// Each tensor starts at a multiple of 64 elements; 4-D tensors keep channels_last strides.
// Parameters and their .grad are views of the buffers, so that a reduction, an optimizer or an
// average is one pass over flat memory. The tail carries the objective's sums through the same
// reduction.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "nn/parameters.h"
#include "storage/deferred_copies.h"
#include "storage/safetensors.h"

namespace valley {

class FlatLayout {
 public:
  void add(const std::string& name, at::IntArrayRef shape);  // behind those before
  [[nodiscard]] std::int64_t size() const { return size_; }  // elements, padding included
  // The view of tensor `i` in a flat buffer of at least size() elements.
  [[nodiscard]] at::Tensor view(const at::Tensor& flat, std::size_t i) const;
  [[nodiscard]] std::size_t tensors() const { return entries_.size(); }
  // Element at which tensor `i` begins.
  [[nodiscard]] std::int64_t offset(std::size_t i) const { return entries_.at(i).offset; }

  // All tensors of a flat buffer by name, views of a copy of it on the CPU, which is left to
  // `later` where that is given; and back. Loading names `where` in errors.
  void save(const at::Tensor& flat, const std::string& prefix, TensorMap& out,
            DeferredCopies* later = nullptr) const;
  void load(const at::Tensor& flat, const std::string& prefix, const TensorMap& in,
            const std::string& where) const;

 private:
  struct Entry {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
    std::int64_t offset;
  };
  std::vector<Entry> entries_;
  std::int64_t size_ = 0;
};

class FlatGroup {
 public:
  static constexpr std::int64_t kTail = 64;  // floats

  // Moves the tensors of `set` into a buffer on `device`, keeping their values. Without
  // `trainable` they get no gradients (averages).
  FlatGroup(std::string name, const ParameterSet& set, at::Device device, bool trainable);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const FlatLayout& layout() const { return layout_; }  // of the parameters
  [[nodiscard]] const at::Tensor& values() const { return values_; }
  [[nodiscard]] at::Tensor parameters() const { return values_.narrow(0, 0, layout_.size()); }
  [[nodiscard]] at::Tensor gradients() const { return reduced_.narrow(0, 0, layout_.size()); }
  // Statistics and tail: all that is reduced besides gradients.
  [[nodiscard]] at::Tensor besides() const {
    return reduced_.narrow(0, layout_.size(), reduced_.numel() - layout_.size());
  }
  [[nodiscard]] at::Tensor tail() const { return reduced_.narrow(0, moving_, kTail); }
  [[nodiscard]] const at::Tensor& reduced() const { return reduced_; }
  // Keeps a copy of the parameters in bfloat16, which `set`, that this was made of, gets as their
  // shadows. Up to date now and after `load`; optimizers write it with each update.
  void keep_shadow(const ParameterSet& set);
  [[nodiscard]] const at::Tensor& shadow() const { return shadow_; }  // flat, or undefined
  // Keeps the derived tensors of `set` in `type`; `load` and `derive` update them.
  void keep_derived(const ParameterSet& set, at::ScalarType type);
  void derive() const;
  void zero() const;  // gradients, statistics and tail

  // Once a step, after the reduction: running += momentum * statistics, unless `not_finite` (int32
  // []) is set.
  void take_statistics(double momentum, const at::Tensor& not_finite) const;
  // Follows another group of the same network: parameters by an exponential moving average, derived
  // buffers as they are. Running statistics are left alone: see estimate_running_moments.
  void average(const FlatGroup& other, double decay, const at::Tensor& not_finite) const;

  // All values by name, copied to the CPU; and back. Copies of the parameters are left to `later`
  // where that is given. Loading names `where` in errors.
  void save(const std::string& prefix, TensorMap& out, DeferredCopies* later = nullptr) const;
  void load(const std::string& prefix, const TensorMap& in, const std::string& where) const;

 private:
  [[nodiscard]] at::Tensor buffer_values() const;

  std::string name_;
  FlatLayout layout_;
  FlatLayout buffers_;       // statistics first
  std::int64_t moving_ = 0;  // elements of parameters and running statistics
  at::Tensor values_;
  at::Tensor reduced_;
  at::Tensor shadow_;
  struct Derived {
    at::Tensor from;
    std::function<at::Tensor(const at::Tensor&)> of;
    at::Tensor kept;
  };
  std::vector<Derived> derived_;
};

}  // namespace valley
