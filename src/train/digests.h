// Short values that represent tensors, by which ranks compare what should be equal on all of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/flat_group.h"

namespace valley {

// One tensor.
struct Digest {
  std::uint32_t crc = 0;  // CRC32C of the bytes, which finds every single flipped bit
  double squares = 0;     // sum of squares
  double sketch = 0;      // sum with a fixed random sign per element
};

// The digests of several tensors in order. The sums are of float tensors given to add_flat with
// `sums`, else 0.
class Digests {
 public:
  // Any type and device.
  void add(const std::string& name, const at::Tensor& tensor);
  // The tensors of a flat buffer, named `prefix` + name.
  void add_flat(const std::string& prefix, const FlatLayout& layout, const at::Tensor& flat,
                bool sums);

  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] const std::string& name(std::size_t i) const { return names_.at(i); }
  [[nodiscard]] const std::vector<Digest>& all() const { return all_; }

 private:
  std::vector<std::string> names_;
  std::vector<Digest> all_;
};

// Conversion for collectives: int64 [digests, 3] on the CPU.
[[nodiscard]] at::Tensor pack(const std::vector<Digest>& digests);
[[nodiscard]] std::vector<Digest> unpack(const at::Tensor& packed);

// Index of the first tensor that differs, or nullopt. Both have the same tensors.
[[nodiscard]] std::optional<std::size_t> first_difference(const std::vector<Digest>& a,
                                                          const std::vector<Digest>& b);
// The same for gradients that may differ in rounding: a tensor differs if its norm or its sketch
// differs by more than `tolerance` times the norm of all tensors, or if one is not finite. The
// expected squared difference of two sketches is that of the tensors (Alon, Matias, Szegedy: The
// space complexity of approximating the frequency moments, STOC 1996).
[[nodiscard]] std::optional<std::size_t> first_difference(const std::vector<Digest>& a,
                                                          const std::vector<Digest>& b,
                                                          double tolerance);

}  // namespace valley
