#include <cmath>
#include <vector>

#include "kernels/batch_norm_launch.h"
#include "kernels/cpu_clones.h"
#include "kernels/parallel.h"

namespace valley::kernels::cpu {
namespace {

// Loops over few channels are too short: several rows are processed together, about this many
// elements.
constexpr std::int64_t kRowGroup = 256;

// One value per channel, repeated for each row of a group.
class Repeated {
 public:
  Repeated(const NormShape& shape)
      : channels_(shape.channels),
        rows_(std::max<std::int64_t>(1, kRowGroup / shape.channels)),
        values_(static_cast<std::size_t>(rows_ * channels_)) {}
  [[nodiscard]] std::int64_t size() const { return rows_ * channels_; }
  float* data() { return values_.data(); }
  [[nodiscard]] const float* data() const { return values_.data(); }
  template <typename ValueOf>
  void set(const ValueOf& value_of) {
    for (std::int64_t c = 0; c < channels_; ++c) values_[static_cast<std::size_t>(c)] = value_of(c);
    for (std::int64_t i = channels_; i < size(); ++i)
      values_[static_cast<std::size_t>(i)] = values_[static_cast<std::size_t>(i - channels_)];
  }
  void clear() { std::fill(values_.begin(), values_.end(), 0.0F); }
  // Adds all rows to the first one.
  const float* summed() {
    for (std::int64_t i = channels_; i < size(); ++i)
      values_[static_cast<std::size_t>(i % channels_)] += values_[static_cast<std::size_t>(i)];
    return values_.data();
  }

 private:
  std::int64_t channels_, rows_;
  std::vector<float> values_;
};

// The functions below process the n elements of a group of rows; `a`, `b`, ... are Repeated values.
template <typename T>
VALLEY_INLINE void add_values(const T* __restrict x, float* __restrict sums, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) sums[i] += load(x, i);
}
template <typename T>
VALLEY_INLINE void add_squares(const T* __restrict x, const float* __restrict mean,
                               float* __restrict sums, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float away = load(x, i) - mean[i];
    sums[i] += away * away;
  }
}
template <typename T>
VALLEY_INLINE void apply(const T* __restrict x, const float* __restrict a,
                         const float* __restrict b, float leak, T* __restrict y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = load(x, i) * a[i] + b[i];
    store(y, i, value > 0 ? value : leak * value);
  }
}
// Sums of the gradient with respect to the input of the leaky ReLU, and of its product with x -
// mean.
template <typename T>
VALLEY_INLINE void add_gradients(const T* __restrict g, const T* __restrict x,
                                 const float* __restrict a, const float* __restrict b,
                                 const float* __restrict mean, float leak, float* __restrict sums,
                                 float* __restrict products, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = load(x, i);
    const float slope = value * a[i] + b[i] > 0 ? 1.0F : leak;
    const float gradient = load(g, i) * slope;
    sums[i] += gradient;
    products[i] += gradient * (value - mean[i]);
  }
}
template <typename T>
VALLEY_INLINE void apply_gradients(const T* __restrict g, const T* __restrict x,
                                   const float* __restrict a, const float* __restrict b,
                                   const float* __restrict p, const float* __restrict q, float leak,
                                   T* __restrict out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = load(x, i);
    const float slope = value * a[i] + b[i] > 0 ? 1.0F : leak;
    store(out, i, a[i] * (load(g, i) * slope) + (value * p[i] + q[i]));
  }
}

#define VALLEY_FOR(T)                                                                              \
  VALLEY_CLONES void add_values_of(const T* x, float* sums, std::int64_t n) {                      \
    add_values(x, sums, n);                                                                        \
  }                                                                                                \
  VALLEY_CLONES void add_squares_of(const T* x, const float* mean, float* sums, std::int64_t n) {  \
    add_squares(x, mean, sums, n);                                                                 \
  }                                                                                                \
  VALLEY_CLONES void apply_of(const T* x, const float* a, const float* b, float leak, T* y,        \
                              std::int64_t n) {                                                    \
    apply(x, a, b, leak, y, n);                                                                    \
  }                                                                                                \
  VALLEY_CLONES void add_gradients_of(const T* g, const T* x, const float* a, const float* b,      \
                                      const float* mean, float leak, float* sums, float* products, \
                                      std::int64_t n) {                                            \
    add_gradients(g, x, a, b, mean, leak, sums, products, n);                                      \
  }                                                                                                \
  VALLEY_CLONES void apply_gradients_of(const T* g, const T* x, const float* a, const float* b,    \
                                        const float* p, const float* q, float leak, T* out,        \
                                        std::int64_t n) {                                          \
    apply_gradients(g, x, a, b, p, q, leak, out, n);                                               \
  }
VALLEY_FOR(float)
VALLEY_FOR(Bits16)
#undef VALLEY_FOR

// `group(begin, n)` for each group of rows from `first` to `last`.
template <typename Group>
void for_groups(const NormShape& s, std::int64_t group_size, std::int64_t first, std::int64_t last,
                const Group& group) {
  for (std::int64_t at = first * s.channels; at < last * s.channels; at += group_size)
    group(at, std::min(group_size, last * s.channels - at));
}

struct Slices {
  explicit Slices(const NormShape& shape)
      : rows(norm_slice_rows(shape.channels)), count(norm_slices(shape)), all(shape.rows) {}
  std::int64_t rows, count, all;
  [[nodiscard]] std::int64_t first(std::int64_t slice) const { return slice * rows; }
  [[nodiscard]] std::int64_t last(std::int64_t slice) const {
    return std::min(all, (slice + 1) * rows);
  }
};
constexpr std::int64_t kMinSlices = 8;  // per thread

// Coefficients of y = a x + b.
struct Affine {
  Affine(const NormShape& shape, const float* weight, const float* bias, const float* mean,
         const float* inverse_deviation)
      : a(shape), b(shape) {
    a.set([&](std::int64_t c) { return weight[c] * inverse_deviation[c]; });
    b.set([&](std::int64_t c) { return bias[c] - mean[c] * (weight[c] * inverse_deviation[c]); });
  }
  Repeated a, b;
};

template <typename T>
void sum_moments(const BatchNorm& k) {
  const NormShape& s = k.shape;
  const Slices slices(s);
  const auto* x = static_cast<const T*>(k.x);
  parallel_for(0, slices.count, kMinSlices, [&](std::int64_t begin, std::int64_t end) {
    Repeated sums(s);
    Repeated means(s);
    for (std::int64_t slice = begin; slice < end; ++slice) {
      const std::int64_t first = slices.first(slice);
      const std::int64_t last = slices.last(slice);
      float* out = k.slices + slice * 2 * s.channels;
      sums.clear();
      for_groups(s, sums.size(), first, last,
                 [&](std::int64_t at, std::int64_t n) { add_values_of(x + at, sums.data(), n); });
      const float* sum = sums.summed();
      means.set([&](std::int64_t c) { return sum[c] / static_cast<float>(last - first); });
      std::copy_n(means.data(), s.channels, out);
      sums.clear();
      for_groups(s, sums.size(), first, last, [&](std::int64_t at, std::int64_t n) {
        add_squares_of(x + at, means.data(), sums.data(), n);
      });
      std::copy_n(sums.summed(), s.channels, out + s.channels);
    }
  });
}

// Combines means and squared deviations of slices (Chan, Golub & LeVeque 1979).
void gather_moments(const BatchNorm& k) {
  const NormShape& s = k.shape;
  const Slices slices(s);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    double count = 0;
    double mean = 0;
    double squares = 0;
    for (std::int64_t slice = 0; slice < slices.count; ++slice) {
      const float* part = k.slices + slice * 2 * s.channels + c;
      const auto n = static_cast<double>(slices.last(slice) - slices.first(slice));
      const double apart = static_cast<double>(part[0]) - mean;
      squares += static_cast<double>(part[s.channels]) + apart * apart * count * n / (count + n);
      mean += apart * n / (count + n);
      count += n;
    }
    k.mean[c] = static_cast<float>(mean);
    k.inverse_deviation[c] = static_cast<float>(1 / std::sqrt(squares / count + k.epsilon));
  }
}

template <typename T>
void norm(const BatchNorm& k) {
  sum_moments<T>(k);
  gather_moments(k);
  const NormShape& s = k.shape;
  const Slices slices(s);
  const Affine affine(s, k.weight, k.bias, k.mean, k.inverse_deviation);
  parallel_for(0, slices.count, kMinSlices, [&](std::int64_t begin, std::int64_t end) {
    for_groups(s, affine.a.size(), slices.first(begin), slices.last(end - 1),
               [&](std::int64_t at, std::int64_t n) {
                 apply_of(static_cast<const T*>(k.x) + at, affine.a.data(), affine.b.data(), k.leak,
                          static_cast<T*>(k.y) + at, n);
               });
  });
}

template <typename T>
void norm_backward(const BatchNormBackward& k) {
  const NormShape& s = k.shape;
  const Slices slices(s);
  const auto* g = static_cast<const T*>(k.gradient);
  const auto* x = static_cast<const T*>(k.x);
  const Affine affine(s, k.weight, k.bias, k.mean, k.inverse_deviation);
  Repeated mean(s);
  mean.set([&](std::int64_t c) { return k.mean[c]; });
  parallel_for(0, slices.count, kMinSlices, [&](std::int64_t begin, std::int64_t end) {
    Repeated sums(s);
    Repeated products(s);
    for (std::int64_t slice = begin; slice < end; ++slice) {
      sums.clear();
      products.clear();
      for_groups(s, sums.size(), slices.first(slice), slices.last(slice),
                 [&](std::int64_t at, std::int64_t n) {
                   add_gradients_of(g + at, x + at, affine.a.data(), affine.b.data(), mean.data(),
                                    k.leak, sums.data(), products.data(), n);
                 });
      float* out = k.slices + slice * 2 * s.channels;
      std::copy_n(sums.summed(), s.channels, out);
      std::copy_n(products.summed(), s.channels, out + s.channels);
    }
  });
  Repeated p(s);
  Repeated q(s);
  std::vector<double> total(static_cast<std::size_t>(2 * s.channels));
  for (std::int64_t slice = 0; slice < slices.count; ++slice) {
    for (std::int64_t i = 0; i < 2 * s.channels; ++i)
      total[static_cast<std::size_t>(i)] +=
          static_cast<double>(k.slices[slice * 2 * s.channels + i]);
  }
  const auto sum = [&](std::int64_t c) { return total[static_cast<std::size_t>(c)]; };
  const auto n = static_cast<double>(s.rows);
  const auto slope = [&](std::int64_t c) {
    const auto inverse = static_cast<double>(k.inverse_deviation[c]);
    return -static_cast<double>(k.weight[c]) * inverse * inverse * inverse * sum(s.channels + c) /
           n;
  };
  for (std::int64_t c = 0; c < s.channels; ++c) {
    k.of_bias[c] = static_cast<float>(sum(c));
    k.of_weight[c] =
        static_cast<float>(sum(s.channels + c) * static_cast<double>(k.inverse_deviation[c]));
  }
  p.set([&](std::int64_t c) { return static_cast<float>(slope(c)); });
  q.set([&](std::int64_t c) {
    const auto scale =
        static_cast<double>(k.weight[c]) * static_cast<double>(k.inverse_deviation[c]);
    return static_cast<float>(-scale * sum(c) / n - static_cast<double>(k.mean[c]) * slope(c));
  });
  parallel_for(0, slices.count, kMinSlices, [&](std::int64_t begin, std::int64_t end) {
    for_groups(s, p.size(), slices.first(begin), slices.last(end - 1),
               [&](std::int64_t at, std::int64_t count) {
                 apply_gradients_of(g + at, x + at, affine.a.data(), affine.b.data(), p.data(),
                                    q.data(), k.leak, static_cast<T*>(k.of_x) + at, count);
               });
  });
}

}  // namespace

void run(const BatchNorm& k) { k.shape.bf16 ? norm<Bits16>(k) : norm<float>(k); }

void run(const BatchNormBackward& k) {
  k.shape.bf16 ? norm_backward<Bits16>(k) : norm_backward<float>(k);
}

}  // namespace valley::kernels::cpu
