// Compares the CUDA version of every kernel with the CPU version through their launch structs.
// Compiled twice: for GPUs (skipped without one) and with the CUDA kernels compiled for the CPU
// (emulated/), so that they are tested everywhere.
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "emulated/block.h"
#include "kernels/activation_launch.h"
#include "kernels/device.h"
#include "kernels/launch.h"
#include "kernels/loss_launch.h"
#include "kernels/sum_slices.h"

namespace valley::kernels {
namespace {

// The order of threads in an emulated block, and the maximum number of blocks in a grid.
struct Turns {
  const char* name;
  testing::ThreadOrder order;
  std::int64_t max_blocks;
};

#ifdef VALLEY_EMULATED_CUDA
using testing::ThreadOrder;
const std::vector<Turns> kTurns = {{"forward", ThreadOrder::kForward, 4096},
                                   {"reversed", ThreadOrder::kReversed, 4096},
                                   {"random", ThreadOrder::kRandom, 4096},
                                   {"few_blocks", ThreadOrder::kForward, 2}};
void take(const Turns& turns) {
  testing::thread_order = turns.order;
  testing::max_blocks = turns.max_blocks;
}
constexpr at::DeviceType kDevice = at::kCPU;
bool is_missing() { return false; }
#else
const std::vector<Turns> kTurns = {{"gpu", {}, 0}};
void take(const Turns& /*turns*/) {}
constexpr at::DeviceType kDevice = at::kCUDA;
bool is_missing() { return !has_cuda_device(); }
#endif

class DeviceSide : public ::testing::TestWithParam<Turns> {
 protected:
  void SetUp() override {
    if (is_missing()) GTEST_SKIP() << "no GPU";
    at::manual_seed(1);
    take(GetParam());
  }
};

at::Tensor there(const at::Tensor& t) {
  return t.to(kDevice, /*non_blocking=*/false, /*copy=*/true);
}
at::Tensor here(const at::Tensor& t) { return t.to(at::kCPU); }

template <typename T>
T* data(const at::Tensor& t) {
  return t.defined() ? static_cast<T*>(t.mutable_data_ptr()) : nullptr;
}

TEST_P(DeviceSide, ImagesHaveTheBitsOfTheCpu) {
  const at::Tensor bytes = at::randint(0, 256, {33, 7, 11, 3}, at::kInt).to(at::kByte);
  const at::Tensor position = at::full({}, 1000, at::kLong);
  for (const bool mirror : {false, true}) {
    const at::Tensor expected = at::zeros({33, 7, 11, 3});
    const auto kernel = [&](const at::Tensor& b, const at::Tensor& out, const at::Tensor& p) {
      return ImagesFromBytes{data<std::uint8_t>(b),
                             data<float>(out),
                             33,
                             7,
                             11,
                             3,
                             mirror,
                             7,
                             data<std::int64_t>(p),
                             5};
    };
    cpu::run(kernel(bytes, expected, position));
    const at::Tensor got = there(at::zeros({33, 7, 11, 3}));
    cuda::run(kernel(there(bytes), got, there(position)));
    EXPECT_TRUE(at::equal(here(got), expected)) << mirror;
  }
}

TEST_P(DeviceSide, RandomNumbersAreThoseOfTheCpu) {
  const at::Tensor position = at::full({}, 1000, at::kLong);
  const at::Tensor p = there(position);
  for (const std::int64_t columns : {1, 64, 1027}) {
    const at::Tensor expected = at::zeros({9, columns});
    const at::Tensor got = there(expected);
    const auto uniform = [&](const at::Tensor& out, const at::Tensor& at_position) {
      return FillUniform{
          data<float>(out), 9, columns, 3, 2, -1, 1, data<std::int64_t>(at_position), 4, 1};
    };
    cpu::run(uniform(expected, position));
    cuda::run(uniform(got, p));
    EXPECT_TRUE(at::equal(here(got), expected)) << columns;
    const at::Tensor blocks = at::full({}, 300, at::kLong);
    for (const at::Tensor& later : {at::Tensor(), blocks}) {
      const auto normal = [&](const at::Tensor& out, const at::Tensor& at_position,
                              const at::Tensor& at_later) {
        return FillNormal{data<float>(out),
                          9,
                          columns,
                          3,
                          6,
                          0.5,
                          data<std::int64_t>(at_position),
                          4,
                          1,
                          data<std::int64_t>(at_later)};
      };
      cpu::run(normal(expected, position, later));
      cuda::run(normal(got, p, later.defined() ? there(later) : later));
      EXPECT_TRUE(at::allclose(here(got), expected, 1e-5, 1e-6)) << columns;
    }
  }
}

TEST_P(DeviceSide, ShiftedImagesHaveTheBitsOfTheCpu) {
  const at::Tensor images = at::randn({9, 7, 11, 3});
  const at::Tensor windows = at::randint(-4, 12, {9, kWindowSize}, at::kInt);
  for (const bool inverse : {false, true}) {
    const auto kernel = [&](const at::Tensor& in, const at::Tensor& out, const at::Tensor& w) {
      return ShiftAndCut{data<float>(in), data<float>(out), data<std::int32_t>(w), 9, 7, 11, 3, 0.5,
                         inverse};
    };
    const at::Tensor expected = at::zeros({9, 7, 11, 3});
    cpu::run(kernel(images, expected, windows));
    const at::Tensor got = there(at::zeros({9, 7, 11, 3}));
    cuda::run(kernel(there(images), got, there(windows)));
    EXPECT_TRUE(at::equal(here(got), expected)) << inverse;
  }
}

// Buffers of an optimizer.
struct Buffers {
  at::Tensor value, gradient, first, second, shadow, rate, updates, skip;

  [[nodiscard]] FlatUpdate flat(bool clear) const {
    return {data<float>(value),
            data<float>(gradient),
            value.numel(),
            data<const double>(rate),
            data<std::int64_t>(updates),
            data<std::int32_t>(skip),
            data<std::uint16_t>(shadow),
            clear};
  }
  [[nodiscard]] Buffers on_device() const {
    return {there(value),
            there(gradient),
            there(first),
            there(second),
            shadow.defined() ? there(shadow) : at::Tensor(),
            there(rate),
            there(updates),
            there(skip)};
  }
};

void expect_like(const Buffers& got, const Buffers& expected) {
  const auto close = [](const at::Tensor& a, const at::Tensor& b) {
    return at::allclose(here(a), b, 1e-6, 1e-7);
  };
  EXPECT_TRUE(close(got.value, expected.value));
  EXPECT_TRUE(close(got.first, expected.first));
  EXPECT_TRUE(close(got.second, expected.second));
  EXPECT_TRUE(at::equal(here(got.gradient), expected.gradient));
}

// Each kernel on the CPU and on the device, from equal buffers.
template <typename Make>
void expect_same_update(const char* name, const Make& make) {
  constexpr std::int64_t kMany = 10'007;
  for (const bool clear : {false, true}) {
    for (const bool has_shadow : {false, true}) {
      for (const int skip : {0, 1}) {
        SCOPED_TRACE(fmt::format("{} clear {} shadow {} skip {}", name, clear, has_shadow, skip));
        const Buffers expected{at::randn({kMany}),
                               at::randn({kMany}),
                               at::randn({kMany}) * 0.1,
                               at::rand({kMany}),
                               has_shadow ? at::zeros({kMany}, at::kBFloat16) : at::Tensor(),
                               at::full({}, 1e-3, at::kDouble),
                               at::full({}, 7, at::kLong),
                               at::full({}, skip, at::kInt)};
        const Buffers got = expected.on_device();
        cpu::run(make(expected, clear));
        cuda::run(make(got, clear));
        expect_like(got, expected);
        if (!has_shadow) continue;
        const at::Tensor shadow =
            skip != 0 ? at::zeros({kMany}, at::kBFloat16) : here(got.value).to(at::kBFloat16);
        EXPECT_TRUE(at::equal(here(got.shadow), shadow));
      }
    }
  }
}

TEST_P(DeviceSide, OptimizersMakeTheCpusUpdates) {
  for (const bool corrects : {false, true}) {
    expect_same_update("adam", [&](const Buffers& b, bool clear) {
      return Adam{b.flat(clear), data<float>(b.first), data<float>(b.second), 0.5, 0.999, 1e-8,
                  corrects};
    });
    expect_same_update("adamax", [&](const Buffers& b, bool clear) {
      return Adamax{b.flat(clear), data<float>(b.first), data<float>(b.second), 0.5, 0.999, 1e-8,
                    corrects};
    });
  }
  for (const bool has_velocity : {false, true}) {
    expect_same_update("sgd", [&](const Buffers& b, bool clear) {
      return Sgd{b.flat(clear), has_velocity ? data<float>(b.first) : nullptr, 0.9};
    });
  }
}

// Below, at and above the limit; one slice and several.
TEST_P(DeviceSide, ClippedGradientsAreThoseOfTheCpu) {
  for (const std::int64_t n : {1, 100, 4096, 9701, 70'000}) {
    for (const double limit : {1e-3, 1.0, 1e9}) {
      const at::Tensor expected = at::randn({n});
      const at::Tensor got = there(expected);
      const auto clip = [n, limit](const at::Tensor& gradient, const at::Tensor& partial,
                                   const at::Tensor& norm) {
        return ClipByNorm{data<float>(gradient), n, limit, data<double>(partial),
                          data<float>(norm)};
      };
      const at::Tensor partial = at::zeros({slices_of_sum(n)}, at::kDouble);
      const at::Tensor norm = at::zeros({});
      const at::Tensor partial_there = there(partial);
      const at::Tensor norm_there = there(norm);
      cpu::run(clip(expected, partial, norm));
      cuda::run(clip(got, partial_there, norm_there));
      EXPECT_TRUE(at::allclose(here(norm_there), norm, 1e-6, 0)) << n;
      EXPECT_TRUE(at::allclose(here(got), expected, 1e-6, 0)) << n;
    }
  }
}

TEST_P(DeviceSide, DecayedWeightsAreThoseOfTheCpu) {
  constexpr std::int64_t kMany = 1000;
  const at::Tensor rate = at::full({}, 0.1, at::kDouble);
  at::Tensor chosen = at::zeros({(kMany + 63) / 64}, at::kByte);
  chosen[0].fill_(1);
  chosen[15].fill_(1);  // the last, incomplete block
  for (const int skips : {0, 1}) {
    const at::Tensor before = at::randn({kMany});
    const at::Tensor expected = before.clone();
    const at::Tensor got = there(before);
    const at::Tensor skip = at::full({}, skips, at::kInt);
    const auto decay = [](const at::Tensor& value, const at::Tensor& blocks, const at::Tensor& r,
                          const at::Tensor& s) {
      return DecayWeights{data<float>(value), kMany, data<std::uint8_t>(blocks), 64,
                          data<double>(r),    0.5,   data<std::int32_t>(s)};
    };
    const at::Tensor chosen_there = there(chosen);
    const at::Tensor rate_there = there(rate);
    const at::Tensor skip_there = there(skip);
    cpu::run(decay(expected, chosen, rate, skip));
    cuda::run(decay(got, chosen_there, rate_there, skip_there));
    EXPECT_TRUE(at::equal(here(got), expected));
    EXPECT_EQ(at::equal(expected, before), skips == 1);
  }
}

TEST_P(DeviceSide, AveragesAreThoseOfTheCpu) {
  for (const int skips : {0, 1}) {
    const at::Tensor expected = at::randn({1000});
    const at::Tensor before = expected.clone();
    const at::Tensor value = at::randn({1000});
    const at::Tensor skip = at::full({}, skips, at::kInt);
    const at::Tensor got = there(expected);
    const auto kernel = [](const at::Tensor& average, const at::Tensor& v, const at::Tensor& s) {
      return MovingAverage{data<float>(average), data<float>(v), 1000, 0.1F, data<std::int32_t>(s)};
    };
    cpu::run(kernel(expected, value, skip));
    cuda::run(kernel(got, there(value), there(skip)));
    EXPECT_TRUE(at::allclose(here(got), expected, 1e-6, 1e-7));
    EXPECT_EQ(at::equal(here(got), before), skips == 1);
  }
}

// Whole packs and others; less than a slice, and several slices.
TEST_P(DeviceSide, MeanDistancesAndTheirGradientsAreThoseOfTheCpu) {
  const at::Tensor upstream = at::full({}, -0.375F);
  for (const std::int64_t n : {1, 3, 4, 255, 4096, 9701, 13'000}) {
    for (const std::int64_t offset : {0, 1}) {
      at::Tensor a = at::randn({n + offset}).narrow(0, offset, n);
      at::Tensor b = at::randn({n + offset}).narrow(0, offset, n);
      b.slice(0, 0, std::nullopt, 5).copy_(a.slice(0, 0, std::nullopt, 5));  // equal in places
      const at::Tensor a_there = there(at::zeros({n + offset})).narrow(0, offset, n).copy_(a);
      const at::Tensor b_there = there(at::zeros({n + offset})).narrow(0, offset, n).copy_(b);
      const at::Tensor partial = there(at::zeros({slices_of_sum(n)}, at::kDouble));
      const at::Tensor mean = there(at::zeros({}));
      cuda::run(L1Mean{data<float>(a_there), data<float>(b_there), n, data<double>(partial),
                       data<float>(mean)});
      const double exact = (a.to(at::kDouble) - b.to(at::kDouble)).abs().mean().item<double>();
      EXPECT_NEAR(here(mean).item<float>(), exact, 1e-6 * exact) << n;

      const at::Tensor up = there(upstream);
      const at::Tensor expected = at::sign(a - b) * (upstream / n);
      for (const auto& [to_a, to_b] : {std::pair{true, true}, {true, false}, {false, true}}) {
        const at::Tensor first = to_a ? there(at::zeros({n})) : at::Tensor();
        const at::Tensor second = to_b ? there(at::zeros({n})) : at::Tensor();
        cuda::run(L1Gradients{data<float>(a_there), data<float>(b_there), n, data<float>(up),
                              data<float>(first), data<float>(second)});
        EXPECT_TRUE(!to_a || at::allclose(here(first), expected, 1e-6, 0)) << n;
        EXPECT_TRUE(!to_b || at::allclose(here(second), -expected, 1e-6, 0)) << n;
      }
    }
  }
}

TEST_P(DeviceSide, BegansControllerIsThatOfTheCpu) {
  const at::Tensor d = at::tensor({3.0F, 1.0F, 4.0F});
  const at::Tensor g = at::tensor({0.5F, 8.0F});
  for (const bool shared : {false, true}) {
    const at::Tensor expected_k = at::full({}, 0.25, at::kDouble);
    const at::Tensor expected = at::zeros({5}, at::kDouble);
    const at::Tensor k = there(expected_k);
    const at::Tensor values = there(expected);
    const at::Tensor d_there = there(d);
    const at::Tensor g_there = there(g);
    cpu::run(BeganController{data<float>(d), shared ? nullptr : data<float>(g),
                             data<double>(expected_k), 0.5, 0.1, data<double>(expected)});
    cuda::run(BeganController{data<float>(d_there), shared ? nullptr : data<float>(g_there),
                              data<double>(k), 0.5, 0.1, data<double>(values)});
    EXPECT_TRUE(at::allclose(here(values), expected, 1e-14, 0));
    EXPECT_TRUE(at::allclose(here(k), expected_k, 1e-14, 0));
  }
}

struct Activation {
  std::int64_t rows, channels;
  at::ScalarType type, bias_type;
};

// Rows of whole packs and others; fewer rows than a block, and several slices.
const std::vector<Activation>& activations() {
  static const std::vector<Activation> all = {
      {1, 8, at::kFloat, at::kFloat},        {37, 3, at::kFloat, at::kFloat},
      {700, 64, at::kFloat, at::kFloat},     {129, 300, at::kFloat, at::kFloat},
      {1100, 24, at::kBFloat16, at::kFloat}, {300, 128, at::kBFloat16, at::kBFloat16},
      {129, 100, at::kBFloat16, at::kFloat}, {70, 300, at::kBFloat16, at::kBFloat16},
      {37, 3, at::kBFloat16, at::kBFloat16}, {33, 1, at::kFloat, at::kFloat},
      {300, 64, at::kFloat, at::kBFloat16},  {41, 5, at::kFloat, at::kBFloat16},
      {40000, 4, at::kFloat, at::kFloat}};  // maximum number of slices
  return all;
}

bool is_bf16(const at::Tensor& t) { return t.scalar_type() == at::kBFloat16; }

void activate(const at::Tensor& y, const at::Tensor& bias) {
  cuda::run(BiasElu{y.mutable_data_ptr(), bias.const_data_ptr(), is_bf16(y), is_bf16(bias),
                    y.size(0), y.size(1)});
}

double tolerance(const at::Tensor& t) { return is_bf16(t) ? 8e-3 : 1e-6; }

TEST_P(DeviceSide, BiasAndEluAreEluOfTheSum) {
  for (const Activation& c : activations()) {
    const at::Tensor x = at::randn({c.rows, c.channels}).to(c.type);
    const at::Tensor bias = at::randn({c.channels}).to(c.bias_type);
    const at::Tensor expected = at::elu(x.to(at::kFloat) + bias.to(at::kFloat));
    const at::Tensor y = there(x);
    activate(y, there(bias));
    EXPECT_TRUE(at::allclose(here(y).to(at::kFloat), expected, tolerance(x), 1e-6))
        << c.rows << "x" << c.channels;
  }
}

TEST_P(DeviceSide, EluBackwardIsTheSlopeAndItsSum) {
  for (const Activation& c : activations()) {
    const at::Tensor y = at::elu(at::randn({c.rows, c.channels})).to(c.type);
    const at::Tensor grad = at::randn({c.rows, c.channels}).to(c.type);
    const at::Tensor wide = y.to(at::kFloat);
    const at::Tensor expected =
        grad.to(at::kFloat) * at::where(wide > 0, at::ones_like(wide), wide + 1);
    const at::Tensor y_there = there(y);
    const std::int64_t scratch = elu_backward_scratch(c.rows, c.channels);
    const at::Tensor partial = there(at::full({scratch + 1}, 1e30F));
    const at::Tensor out = there(grad);  // written in place
    const at::Tensor sum = there(at::full({c.channels}, 7.0F));
    const auto run = [&](const at::Tensor& into, const at::Tensor& bias_grad) {
      cuda::run(EluBackward{into.const_data_ptr(), y_there.const_data_ptr(),
                            into.mutable_data_ptr(), is_bf16(y), c.rows, c.channels,
                            data<float>(bias_grad), data<float>(partial)});
    };
    run(out, sum);
    EXPECT_TRUE(at::allclose(here(out).to(at::kFloat), expected, tolerance(y), 1e-6))
        << c.rows << "x" << c.channels;
    EXPECT_TRUE(
        at::allclose(here(sum).to(at::kDouble), expected.to(at::kDouble).sum(0), 1e-5, 1e-4))
        << c.rows << "x" << c.channels;
    EXPECT_EQ(here(partial)[scratch].item<float>(), 1e30F);
    const at::Tensor again = there(grad);
    const at::Tensor same = there(at::zeros({c.channels}));
    run(again, same);
    EXPECT_TRUE(at::equal(sum, same));
    const at::Tensor alone = there(grad);
    run(alone, at::Tensor());
    EXPECT_TRUE(at::equal(alone, out));
  }
}

INSTANTIATE_TEST_SUITE_P(All, DeviceSide, ::testing::ValuesIn(kTurns),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace valley::kernels
