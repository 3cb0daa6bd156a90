#include "train/digests.h"

#include <ATen/ops/empty.h>

#include <bit>
#include <cmath>

#include "core/error.h"
#include "core/hash.h"

namespace valley {
namespace {

constexpr std::int64_t kValues = 3;  // per digest

at::Tensor on_host(const at::Tensor& tensor) { return tensor.detach().to(at::kCPU).contiguous(); }

std::uint32_t crc_of(const at::Tensor& on_cpu) {
  return crc32c({static_cast<const std::byte*>(on_cpu.const_data_ptr()), on_cpu.nbytes()});
}

Digest digest_of(const at::Tensor& on_cpu, bool sums) {
  Digest d{crc_of(on_cpu)};
  if (!sums) return d;
  const float* values = on_cpu.const_data_ptr<float>();
  for (std::int64_t i = 0; i < on_cpu.numel(); ++i) {
    const double value = values[i];
    d.squares += value * value;
    d.sketch += (mix64(static_cast<std::uint64_t>(i)) & 1U) != 0 ? value : -value;
  }
  return d;
}

double norm(const std::vector<Digest>& all) {
  double squares = 0;
  for (const Digest& d : all) squares += d.squares;
  return std::sqrt(squares);
}

}  // namespace

void Digests::add(const std::string& name, const at::Tensor& tensor) {
  names_.push_back(name);
  all_.push_back(digest_of(on_host(tensor), false));
}

void Digests::add_flat(const std::string& prefix, const FlatLayout& layout, const at::Tensor& flat,
                       bool sums) {
  const at::Tensor host = on_host(flat);
  for (std::size_t i = 0; i < layout.tensors(); ++i) {
    const std::int64_t begin = layout.offset(i);
    names_.push_back(prefix + layout.name(i));
    all_.push_back(digest_of(host.narrow(0, begin, layout.end(i) - begin), sums));
  }
}

at::Tensor pack(const std::vector<Digest>& digests) {
  at::Tensor packed = at::empty({static_cast<std::int64_t>(digests.size()), kValues}, at::kLong);
  auto* out = packed.mutable_data_ptr<std::int64_t>();
  for (const Digest& d : digests) {
    *out++ = d.crc;
    *out++ = std::bit_cast<std::int64_t>(d.squares);
    *out++ = std::bit_cast<std::int64_t>(d.sketch);
  }
  return packed;
}

std::vector<Digest> unpack(const at::Tensor& packed) {
  const at::Tensor host = on_host(packed);
  VALLEY_CHECK(host.dim() == 2 && host.size(1) == kValues);
  const auto* in = host.const_data_ptr<std::int64_t>();
  std::vector<Digest> digests(static_cast<std::size_t>(host.size(0)));
  for (Digest& d : digests) {
    d.crc = static_cast<std::uint32_t>(*in++);
    d.squares = std::bit_cast<double>(*in++);
    d.sketch = std::bit_cast<double>(*in++);
  }
  return digests;
}

std::optional<std::size_t> first_difference(const std::vector<Digest>& a,
                                            const std::vector<Digest>& b) {
  VALLEY_CHECK(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].crc != b[i].crc) return i;
  return std::nullopt;
}

std::optional<std::size_t> first_difference(const std::vector<Digest>& a,
                                            const std::vector<Digest>& b, double tolerance) {
  VALLEY_CHECK(a.size() == b.size());
  const double limit = tolerance * std::max(norm(a), norm(b));
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].crc == b[i].crc) continue;
    const double of_norms = std::abs(std::sqrt(a[i].squares) - std::sqrt(b[i].squares));
    const double of_sketches = std::abs(a[i].sketch - b[i].sketch);
    const bool neither_is_finite = !std::isfinite(a[i].squares) && !std::isfinite(b[i].squares);
    // Also true if one of the differences is not a number.
    if (!neither_is_finite && !(of_norms <= limit && of_sketches <= limit)) return i;
  }
  return std::nullopt;
}

}  // namespace valley
