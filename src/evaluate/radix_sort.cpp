#include "evaluate/radix_sort.h"

#include <array>
#include <bit>
#include <cstddef>

namespace valley {
namespace {

constexpr unsigned kPasses = 3;
constexpr unsigned kBits = 11;
constexpr std::uint32_t kBuckets = 1U << kBits;
constexpr std::uint32_t kSign = 0x80000000U;

// A key whose unsigned order is the order of the floats.
std::uint32_t key_from_value(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

float value_from_key(std::uint32_t key) {
  return std::bit_cast<float>((key & kSign) != 0 ? key & ~kSign : ~key);
}

std::uint32_t digit(std::uint32_t key, unsigned pass) {
  return (key >> (pass * kBits)) & (kBuckets - 1);
}

}  // namespace

void radix_sort(std::span<float> values, std::vector<std::uint32_t>& scratch) {
  const std::size_t n = values.size();
  scratch.resize(2 * n);
  std::uint32_t* from = scratch.data();
  std::uint32_t* to = scratch.data() + n;
  std::array<std::array<std::size_t, kBuckets>, kPasses> starts{};
  for (std::size_t i = 0; i < n; ++i) {
    from[i] = key_from_value(values[i]);
    for (unsigned pass = 0; pass < kPasses; ++pass) ++starts[pass][digit(from[i], pass)];
  }
  for (auto& counts : starts) {
    std::size_t before = 0;
    for (std::size_t& count : counts) {
      const std::size_t here = count;
      count = before;
      before += here;
    }
  }
  for (unsigned pass = 0; pass < kPasses; ++pass) {
    for (std::size_t i = 0; i < n; ++i) to[starts[pass][digit(from[i], pass)]++] = from[i];
    std::swap(from, to);
  }
  for (std::size_t i = 0; i < n; ++i) values[i] = value_from_key(from[i]);
}

}  // namespace valley
