// The parameters of one network in one flat buffer, and their gradients in another.
//
// Each tensor starts at a multiple of 64 elements; 4-D tensors keep channels_last strides.
// Parameters and their .grad are views of the buffers, so that a reduction, an optimizer or an
// average is one pass over flat memory. The gradient buffer has a tail that carries the objective's
// sums through the same reduction.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/parameters.h"
#include "storage/safetensors.h"

namespace valley {

class FlatLayout {
 public:
  explicit FlatLayout(const ParameterSet& parameters);
  [[nodiscard]] std::int64_t size() const { return size_; }  // elements, padding included
  // The view of tensor `i` in a flat buffer of at least size() elements.
  [[nodiscard]] at::Tensor view(const at::Tensor& flat, std::size_t i) const;
  [[nodiscard]] std::size_t tensors() const { return entries_.size(); }

  // All tensors of a flat buffer by name, each contiguous on the CPU; and back. Loading names
  // `where` in errors.
  void save(const at::Tensor& flat, const std::string& prefix, TensorMap& out) const;
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

  // Moves the parameters of `set` into a buffer on `device`, keeping their values. Without
  // `trainable` they get no gradients (averages).
  FlatGroup(std::string name, const ParameterSet& set, at::Device device, bool trainable);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const FlatLayout& layout() const { return layout_; }
  [[nodiscard]] const at::Tensor& values() const { return values_; }  // [size]
  [[nodiscard]] at::Tensor gradients() const { return reduced_.narrow(0, 0, layout_.size()); }
  [[nodiscard]] at::Tensor tail() const { return reduced_.narrow(0, layout_.size(), kTail); }
  [[nodiscard]] const at::Tensor& reduced() const {
    return reduced_;
  }  // gradients and tail: [size + kTail]
  void zero() const;

 private:
  std::string name_;
  FlatLayout layout_;
  at::Tensor values_;
  at::Tensor reduced_;
};

}  // namespace valley
