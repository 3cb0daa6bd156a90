// The tensors of one network in flat buffers: parameters, their gradients, and the network's
// buffers with their statistics.
//
//   values   [ parameters | running statistics | derived buffers ]
//   reduced  [ gradients  | statistics         | tail ]
//
// Each tensor starts at a multiple of 64 elements; 4-D tensors keep channels_last strides.
// Parameters and their .grad are views of the buffers, so that a reduction, an optimizer step or a
// moving average is one pass over contiguous memory. The tail carries the objective's sums through
// the same reduction.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "nn/parameters.h"
#include "storage/deferred_copies.h"
#include "storage/safetensors.h"

namespace valley {

// Full names of the tensors of a layout: those that a load took, and the others.
struct MatchedTensors {
  std::vector<std::string> taken;
  std::vector<std::string> others;
};

class Digests;

class FlatLayout {
 public:
  static constexpr std::int64_t kAlignment = 64;  // elements

  void add(const std::string& name, at::IntArrayRef shape);  // appends a tensor
  [[nodiscard]] std::int64_t size() const { return size_; }  // elements, padding included
  // The view of tensor `i` in a flat buffer of at least size() elements.
  [[nodiscard]] at::Tensor view(const at::Tensor& flat, std::size_t i) const;
  [[nodiscard]] std::size_t tensors() const { return entries_.size(); }
  // Index of the first element of tensor `i`.
  [[nodiscard]] std::int64_t offset(std::size_t i) const { return entries_.at(i).offset; }
  // Index after the last element of tensor `i`, its padding included.
  [[nodiscard]] std::int64_t end(std::size_t i) const {
    return i + 1 < entries_.size() ? entries_[i + 1].offset : size_;
  }
  [[nodiscard]] const std::string& name(std::size_t i) const { return entries_.at(i).name; }

  // uint8 [size() / kAlignment] on the CPU: 1 for the parts of tensors with two or more dimensions,
  // 0 for those of biases and normalization.
  [[nodiscard]] at::Tensor blocks_of_weights() const;

  // `save` adds all tensors of a flat buffer to `out` by name, as views of one copy on the CPU;
  // with `later`, the copy is made when that runs. `load` reverses it and names `where` in errors.
  void save(const at::Tensor& flat, const std::string& prefix, TensorMap& out,
            DeferredCopies* later = nullptr) const;
  void load(const at::Tensor& flat, const std::string& prefix, const TensorMap& in,
            const std::string& where) const;
  // Loads the tensors of which `in` has one with that name and shape.
  MatchedTensors load_matching(const at::Tensor& flat, const std::string& prefix,
                               const TensorMap& in) const;

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

  // Moves the tensors of `set` into a buffer on `device` with their values. Moving averages are not
  // `trainable`: they get no gradients.
  FlatGroup(std::string name, const ParameterSet& set, at::Device device, bool trainable);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const FlatLayout& layout() const { return layout_; }  // parameters only
  [[nodiscard]] const at::Tensor& values() const { return values_; }
  [[nodiscard]] at::Tensor parameters() const { return values_.narrow(0, 0, layout_.size()); }
  [[nodiscard]] at::Tensor gradients() const { return reduced_.narrow(0, 0, layout_.size()); }
  [[nodiscard]] at::Tensor statistics_and_tail() const {
    return reduced_.narrow(0, layout_.size(), reduced_.numel() - layout_.size());
  }
  [[nodiscard]] at::Tensor tail() const { return reduced_.narrow(0, moving_, kTail); }
  [[nodiscard]] const at::Tensor& reduced() const { return reduced_; }
  // Creates the bf16 copy of the parameters and sets Parameter::bf16_copy in `set`, from which this
  // group was made. `load` and each optimizer step update the copy.
  void keep_bf16_copy(const ParameterSet& set);
  [[nodiscard]] const at::Tensor& bf16_copy() const { return bf16_copy_; }  // flat, or undefined
  // Creates the derived tensors of `set` in `type`; `load` and `derive` update them.
  void keep_derived(const ParameterSet& set, at::ScalarType type);
  void derive() const;
  // From now on, tensors whose full names match one of `patterns` (matches_pattern) keep their
  // values: zero_frozen clears their gradients and statistics.
  void freeze(const std::vector<std::string>& patterns);
  void zero_frozen() const;                          // after the reduction
  void zero_frozen(const at::Tensor& moment) const;  // the same in a flat buffer of parameters
  // FlatLayout::blocks_of_weights without frozen tensors.
  [[nodiscard]] at::Tensor decaying_blocks() const;
  void zero() const;  // gradients, statistics and tail

  // Once per step, after the reduction: running += momentum * statistics, unless `not_finite`
  // (int32 []) is set.
  void take_statistics(double momentum, const at::Tensor& not_finite) const;
  // Updates this exponential moving average from `other`, a group of the same network; derived
  // buffers are copied. Running statistics do not change: see estimate_running_moments.
  void average(const FlatGroup& other, double decay, const at::Tensor& not_finite) const;

  // Adds those of all values to `digests`, as tensors of `network`.
  void add_digests(const std::string& network, Digests& digests) const;

  // `save` copies all values to the CPU, by name; with `later`, the parameters are copied when that
  // runs. `load` reverses it and names `where` in errors.
  void save(const std::string& prefix, TensorMap& out, DeferredCopies* later = nullptr) const;
  void load(const std::string& prefix, const TensorMap& in, const std::string& where) const;
  // Loads the tensors that fit, as FlatLayout::load_matching.
  MatchedTensors load_matching(const std::string& prefix, const TensorMap& in) const;

 private:
  [[nodiscard]] at::Tensor buffer_values() const;
  void update_copies() const;  // after a load

  std::string name_;
  FlatLayout layout_;
  FlatLayout buffers_;       // statistics first
  std::int64_t moving_ = 0;  // number of elements of parameters and running statistics
  at::Tensor values_;
  at::Tensor reduced_;
  at::Tensor bf16_copy_;
  struct Range {
    std::int64_t begin, end;
  };
  std::vector<Range> frozen_;             // elements of parameters
  std::vector<Range> frozen_statistics_;  // elements of reduced_
  struct Derived {
    at::Tensor from;
    std::function<at::Tensor(const at::Tensor&)> of;
    at::Tensor kept;
  };
  std::vector<Derived> derived_;
};

}  // namespace valley
