#include "image/resample.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <numbers>
#include <utility>

#include "core/error.h"

// Integer sums: every clone gives the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VALLEY_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define VALLEY_CLONES
#endif

namespace valley {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // 8 for the pixel, 2 for overshoot and sign
constexpr std::size_t kLanes = 8;          // lanes of a vector register
constexpr std::size_t kSide = 16;          // side of a block that is transposed in registers

using Sums = std::int32_t __attribute__((vector_size(kLanes * sizeof(std::int32_t))));
using Values = std::uint8_t __attribute__((vector_size(kLanes)));
using Row = std::uint8_t __attribute__((vector_size(kSide)));

struct FilterKind {
  std::string_view name;
  double support;  // half the width, in source pixels at scale 1
  double (*weight)(double distance);
};

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

// Keys' cubic with a = -0.5. The order of operations is part of the result.
double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

double bilinear(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

constexpr std::array<FilterKind, 4> kFilters{{{"lanczos", 3.0, lanczos},
                                              {"bicubic", 2.0, bicubic},
                                              {"bilinear", 1.0, bilinear},
                                              {"box", 0.5, box}}};

// Source positions and weights of each output position.
struct Kernel {
  struct Window {
    std::int64_t first;
    std::int64_t count;
    std::size_t weights;  // index of the first weight
  };
  std::vector<Window> windows;
  std::vector<std::int32_t> weights;
};

std::int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kFractionBits);
  return static_cast<std::int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

Kernel make_kernel(std::int64_t in, std::int64_t out, const FilterKind& filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = filter.support * stretch;
  const double inverse = 1.0 / stretch;
  Kernel kernel;
  std::vector<double> exact;
  for (std::int64_t o = 0; o < out; ++o) {
    const double center = (static_cast<double>(o) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - support + 0.5));
    const auto end = std::min(in, static_cast<std::int64_t>(center + support + 0.5));
    exact.clear();
    double sum = 0.0;
    for (std::int64_t x = 0; x < end - first; ++x) {
      exact.push_back(filter.weight((static_cast<double>(x + first) - center + 0.5) * inverse));
      sum += exact.back();
    }
    kernel.windows.push_back({first, end - first, kernel.weights.size()});
    for (const double weight : exact)
      kernel.weights.push_back(to_fixed(sum != 0.0 ? weight / sum : weight));
  }
  return kernel;
}

// Weighted sum of one window for kVectors * kLanes adjacent lanes.
template <std::size_t kVectors>
[[gnu::always_inline]] inline void sum_window(const std::uint8_t* from, std::size_t stride,
                                              const std::int32_t* weights, std::int64_t count,
                                              std::uint8_t* to) {
  std::array<Sums, kVectors> sums;
  for (Sums& sum : sums) sum = Sums{} + (1 << (kFractionBits - 1));
  for (std::int64_t x = 0; x < count; ++x, from += stride) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      // This compiles to one widening load; __builtin_convertvector of GCC 12 takes twice as long.
      Sums values;
      for (std::size_t i = 0; i < kLanes; ++i) values[i] = from[v * kLanes + i];
      sums[v] += values * weights[x];
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    Sums sum = sums[v] >> kFractionBits;
    sum = sum < 0 ? Sums{} : sum;
    sum = sum > 255 ? Sums{} + 255 : sum;
    const Values values = __builtin_convertvector(sum, Values);
    std::memcpy(to + v * kLanes, &values, sizeof values);
  }
}

[[gnu::always_inline]] inline void sum_window_of_one(const std::uint8_t* from, std::size_t stride,
                                                     const std::int32_t* weights,
                                                     std::int64_t count, std::uint8_t* to) {
  std::int32_t sum = 1 << (kFractionBits - 1);
  for (std::int64_t x = 0; x < count; ++x, from += stride) sum += *from * weights[x];
  *to = static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

// to[o][lane] = sum over the window of from[x][lane] * weight, rounded and clipped. Lanes are
// adjacent in memory and have the same weights.
VALLEY_CLONES void convolve(const std::uint8_t* from, std::size_t lanes, const Kernel& kernel,
                            std::uint8_t* to) {
  for (const Kernel::Window& window : kernel.windows) {
    const std::int32_t* weights = kernel.weights.data() + window.weights;
    const std::uint8_t* first = from + static_cast<std::size_t>(window.first) * lanes;
    std::size_t lane = 0;
    for (; lane + 4 * kLanes <= lanes; lane += 4 * kLanes)
      sum_window<4>(first + lane, lanes, weights, window.count, to + lane);
    for (; lane + kLanes <= lanes; lane += kLanes)
      sum_window<1>(first + lane, lanes, weights, window.count, to + lane);
    for (; lane < lanes; ++lane)
      sum_window_of_one(first + lane, lanes, weights, window.count, to + lane);
    to += lanes;
  }
}

Row interleave_low(Row a, Row b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
Row interleave_high(Row a, Row b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}

// Interleaving the halves of a 16 x 16 block four times transposes it.
void transpose_block(const std::uint8_t* from, std::size_t from_stride, std::uint8_t* to,
                     std::size_t to_stride) {
  std::array<Row, kSide> rows;
  for (std::size_t i = 0; i < kSide; ++i)
    std::memcpy(&rows[i], from + i * from_stride, sizeof rows[i]);
  for (int stage = 0; stage < 4; ++stage) {
    std::array<Row, kSide> next;
    for (std::size_t i = 0; i < kSide / 2; ++i) {
      next[2 * i] = interleave_low(rows[i], rows[i + kSide / 2]);
      next[2 * i + 1] = interleave_high(rows[i], rows[i + kSide / 2]);
    }
    rows = next;
  }
  for (std::size_t i = 0; i < kSide; ++i) std::memcpy(to + i * to_stride, &rows[i], sizeof rows[i]);
}

// to[c][r] = from[r][c], both dense.
void transpose(const std::uint8_t* from, std::size_t rows, std::size_t columns, std::uint8_t* to) {
  const std::size_t block_rows = rows - rows % kSide;
  const std::size_t block_columns = columns - columns % kSide;
  for (std::size_t r = 0; r < block_rows; r += kSide) {
    for (std::size_t c = 0; c < block_columns; c += kSide)
      transpose_block(from + r * columns + c, columns, to + c * rows + r, rows);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = r < block_rows ? block_columns : 0; c < columns; ++c)
      to[c * rows + r] = from[r * columns + c];
  }
}

// Processes several rows at a time, transposed so that values of a source column are adjacent: the
// same vectorized convolution then serves both directions.
Image resample_rows(const Image& image, std::int64_t width, const FilterKind& filter) {
  const Kernel kernel = make_kernel(image.width, width, filter);
  Image result(image.height, width, image.channels);
  std::vector<std::uint8_t> from(kSide * image.row_bytes());
  std::vector<std::uint8_t> to(kSide * result.row_bytes());
  constexpr auto kRowsAtOnce = static_cast<std::int64_t>(kSide);
  for (std::int64_t y = 0; y < image.height; y += kRowsAtOnce) {
    const auto rows = static_cast<std::size_t>(std::min(kRowsAtOnce, image.height - y));
    transpose(image.row(y), rows, image.row_bytes(), from.data());
    convolve(from.data(), rows * static_cast<std::size_t>(image.channels), kernel, to.data());
    transpose(to.data(), result.row_bytes(), rows, result.row(y));
  }
  return result;
}

Image resample_columns(const Image& image, std::int64_t height, const FilterKind& filter) {
  Image result(height, image.width, image.channels);
  convolve(image.pixels.data(), image.row_bytes(), make_kernel(image.height, height, filter),
           result.pixels.data());
  return result;
}

}  // namespace

std::string_view filter_name(Filter filter) {
  return kFilters[static_cast<std::size_t>(filter)].name;
}

const std::vector<std::string>& filter_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const FilterKind& kind : kFilters) list.emplace_back(kind.name);
    return list;
  }();
  return names;
}

Filter parse_filter(const std::string& name) {
  for (std::size_t i = 0; i < kFilters.size(); ++i) {
    if (kFilters[i].name == name) return static_cast<Filter>(i);
  }
  throw Error(ExitCode::kUsage, "unknown filter \"{}\"; valid filters are {}", name,
              fmt::join(filter_names(), ", "));
}

Image resample(const Image& image, std::int64_t height, std::int64_t width, Filter filter) {
  VALLEY_CHECK(height >= 1 && width >= 1 && image.height >= 1 && image.width >= 1);
  const FilterKind& kind = kFilters[static_cast<std::size_t>(filter)];
  const bool is_wide = width != image.width;
  const bool is_tall = height != image.height;
  if (is_wide && is_tall) return resample_columns(resample_rows(image, width, kind), height, kind);
  if (is_wide) return resample_rows(image, width, kind);
  if (is_tall) return resample_columns(image, height, kind);
  return image;
}

}  // namespace valley
