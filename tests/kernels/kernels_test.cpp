#include "kernels/kernels.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "any_threads.h"
#include "kernels/device.h"

namespace valley::kernels {
namespace {

at::Tensor position_at(std::int64_t value) { return at::full({}, value, at::kLong); }

at::Tensor all_bytes() {  // [1, 8, 16, 2]: every byte once
  return at::arange(256, at::kInt).to(at::kByte).view({1, 8, 16, 2});
}

at::Tensor converted(const at::Tensor& bytes, const Mirror& mirror, std::int64_t position,
                     std::int64_t offset = 0) {
  at::Tensor out = at::empty({bytes.size(0), bytes.size(3), bytes.size(1), bytes.size(2)},
                             at::kFloat, at::MemoryFormat::ChannelsLast);
  images_from_bytes(bytes, out, mirror, position_at(position), offset);
  return out;
}

TEST(ImagesFromBytes, MapsZeroTo255OntoMinusOneToOne) {
  const at::Tensor out = converted(all_bytes(), {}, 0);
  const at::Tensor expected = all_bytes().to(at::kFloat).div(127.5).sub(1).permute({0, 3, 1, 2});
  EXPECT_TRUE(at::equal(out, expected));
  EXPECT_EQ(out.min().item<float>(), -1.0F);
  EXPECT_EQ(out.max().item<float>(), 1.0F);
}

TEST(ImagesFromBytes, RoundTripPreservesEveryByte) {
  EXPECT_TRUE(at::equal(bytes_from_images(converted(all_bytes(), {}, 0)), all_bytes()));
}

TEST(BytesFromImages, ClampsValuesOutOfRange) {
  const at::Tensor images = at::tensor({-7.0F, -1.0F, 0.0F, 1.0F, 9.0F, 0.5F}).view({1, 1, 2, 3});
  const at::Tensor expected =
      at::tensor({0, 0, 128, 255, 255, 191}, at::kInt).to(at::kByte).view({1, 2, 3, 1});
  EXPECT_TRUE(at::equal(bytes_from_images(images), expected));
}

TEST(ImagesFromBytes, MirrorsByPositionAlone) {
  const at::Tensor bytes = at::randint(0, 256, {64, 4, 6, 3}, at::kInt).to(at::kByte);
  const at::Tensor plain = converted(bytes, {}, 0);
  const at::Tensor mirrored = converted(bytes, {true, 7}, 1000);
  int flips = 0;
  for (std::int64_t i = 0; i < 64; ++i) {
    const bool kept = at::equal(mirrored[i], plain[i]);
    const bool flipped = at::equal(mirrored[i], plain[i].flip({2}));
    EXPECT_NE(kept, flipped);
    flips += flipped ? 1 : 0;
  }
  EXPECT_GT(flips, 16);
  EXPECT_LT(flips, 48);
  // The second half as another rank's share: the same flips.
  EXPECT_TRUE(at::equal(converted(bytes.narrow(0, 32, 32).contiguous(), {true, 7}, 1000, 32),
                        mirrored.narrow(0, 32, 32)));
}

TEST(FillUniform, IsAFunctionOfSeedStreamAndPosition) {
  const UniformDraw draw{11, RandomStream::kLatentD, -1, 1};
  at::Tensor whole = at::empty({8, 10}, at::kFloat);
  fill_uniform(whole, draw, position_at(100), 0);
  at::Tensor part = at::empty({3, 10}, at::kFloat);
  fill_uniform(part, draw, position_at(100), 5);
  EXPECT_TRUE(at::equal(part, whole.narrow(0, 5, 3)));
  fill_uniform(part, draw, position_at(105), 0);
  EXPECT_TRUE(at::equal(part, whole.narrow(0, 5, 3)));
  fill_uniform(part, {11, RandomStream::kLatentG, -1, 1}, position_at(105), 0);
  EXPECT_FALSE(at::equal(part, whole.narrow(0, 5, 3)));
  fill_uniform(part, {12, RandomStream::kLatentD, -1, 1}, position_at(105), 0);
  EXPECT_FALSE(at::equal(part, whole.narrow(0, 5, 3)));
}

TEST(FillUniform, HasTheMomentsOfItsDistribution) {
  at::Tensor z = at::empty({1000, 100}, at::kFloat);
  fill_uniform(z, {3, RandomStream::kLatentG, -1, 1}, position_at(0), 0);
  EXPECT_GE(z.min().item<float>(), -1.0F);
  EXPECT_LT(z.max().item<float>(), 1.0F);
  EXPECT_NEAR(z.mean().item<double>(), 0.0, 0.01);  // five standard errors: 0.009
  EXPECT_NEAR(z.var().item<double>(), 1.0 / 3.0, 0.005);
}

TEST(FillNormal, IsAFunctionOfSeedStreamPositionAndBlock) {
  at::Tensor whole = at::empty({8, 12}, at::kFloat);
  fill_normal(whole, {11, RandomStream::kLangevin, 2, 5}, position_at(100), 0);
  at::Tensor part = at::empty({3, 12}, at::kFloat);
  fill_normal(part, {11, RandomStream::kLangevin, 2, 5}, position_at(102), 3);
  EXPECT_TRUE(at::equal(part, whole.narrow(0, 5, 3)));
  // A later first block skips the values of earlier blocks.
  fill_normal(part, {11, RandomStream::kLangevin, 2, 6}, position_at(105), 0);
  EXPECT_TRUE(at::equal(part.narrow(1, 0, 8), whole.narrow(0, 5, 3).narrow(1, 4, 8)));
  fill_normal(part, {12, RandomStream::kLangevin, 2, 5}, position_at(105), 0);
  EXPECT_FALSE(at::equal(part, whole.narrow(0, 5, 3)));
}

TEST(FillNormal, ATensorOfBlocksAddsToTheFirst) {
  const at::Tensor expected = at::empty({3, 12}, at::kFloat);
  fill_normal(expected, {11, RandomStream::kLangevin, 2, 11}, position_at(100), 4);
  const at::Tensor out = at::empty({3, 12}, at::kFloat);
  fill_normal(out, {11, RandomStream::kLangevin, 2, 5}, position_at(100), 4,
              at::full({}, 6, at::kLong));
  EXPECT_TRUE(at::equal(out, expected));
}

TEST(FillNormal, HasTheMomentsAndTailsOfANormal) {
  at::Tensor z = at::empty({1000, 401}, at::kFloat);
  fill_normal(z, {3, RandomStream::kLatentG, 0.5, 0}, position_at(0), 0);
  const at::Tensor x = z.to(at::kDouble) / 0.5;
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 0.008);  // five standard errors
  EXPECT_NEAR(x.var().item<double>(), 1.0, 0.012);
  EXPECT_NEAR(x.pow(4).mean().item<double>(), 3.0, 0.08);
  EXPECT_NEAR((x.abs() > 2).to(at::kDouble).mean().item<double>(), 0.0455, 0.002);
  // Adjacent values of a row, including those of a pair, are independent.
  EXPECT_NEAR((x.narrow(1, 0, 400) * x.narrow(1, 1, 400)).mean().item<double>(), 0.0, 0.008);
}

TEST(ImagesFromBytes, IsTheSameForAnyNumberOfThreads) {
  const at::Tensor bytes = at::randint(0, 256, {37, 64, 64, 3}, at::kInt).to(at::kByte);
  testing::expect_same_for_any_threads([&] {
    return std::vector<at::Tensor>{converted(bytes, {true, 7}, 1000)};
  });
}

TEST(Draws, AreTheSameForAnyNumberOfThreads) {
  testing::expect_same_for_any_threads([] {
    at::Tensor uniform = at::empty({1000, 99}, at::kFloat);
    fill_uniform(uniform, {3, RandomStream::kLatentG, -1, 1}, position_at(7), 2);
    at::Tensor normal = at::empty({1000, 99}, at::kFloat);
    fill_normal(normal, {3, RandomStream::kLangevin, 2, 5}, position_at(7), 2);
    return std::vector<at::Tensor>{uniform, normal};
  });
}

// windows [n, 6] of shift_and_cut.
at::Tensor windows_of(std::vector<std::int32_t> values) {
  const auto rows = static_cast<std::int64_t>(values.size()) / 6;
  return at::tensor(values, at::kInt).view({rows, 6});
}

TEST(ShiftAndCut, MovesEachImageAndFillsItsRectangle) {
  const at::Tensor images = at::arange(24, at::kFloat).view({2, 3, 4, 1}).permute({0, 3, 1, 2});
  const at::Tensor out = shift_and_cut(images,
                                       windows_of({1, -2, 0, 0, 0, 0,  //
                                                   0, 0, -1, 2, 3, 9}),
                                       0.5F);
  const at::Tensor expected = at::tensor({0.5,  0.5,  0.5,  0.5, 2.0,  3.0,  0.5,  0.5,  //
                                          6.0,  7.0,  0.5,  0.5,                         //
                                          12.0, 13.0, 14.0, 0.5, 16.0, 17.0, 18.0, 0.5,  //
                                          20.0, 21.0, 22.0, 23.0},
                                         at::kFloat)
                                  .view({2, 1, 3, 4});
  EXPECT_TRUE(at::equal(out, expected)) << out;
}

TEST(ShiftAndCut, ReturnsImagesThatNoTransformUses) {
  const at::Tensor images = at::rand({2, 3, 5, 7}).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(
      at::equal(shift_and_cut(images, windows_of(std::vector<std::int32_t>(12)), 9), images));
}

// The operator is affine: its gradient is the transposed linear part.
TEST(ShiftAndCut, GradientIsTheTransposedOperator) {
  at::manual_seed(3);
  const at::Tensor windows = windows_of({2, -1, 1, 4, 2, 6, -3, 0, 0, 5, -2, 1, 0, 0, 0, 0, 0, 0});
  const at::Tensor x = at::randn({3, 2, 6, 7});
  const at::Tensor y = at::randn({3, 2, 6, 7});
  const at::Tensor forward = (shift_and_cut(x, windows, 0) * y).sum();
  const at::Tensor backward = (x * shift_and_cut_backward(y, windows)).sum();
  EXPECT_NEAR(forward.item<double>(), backward.item<double>(), 1e-4);
  EXPECT_GT(std::abs(forward.item<double>()), 0.1);
}

TEST(ShiftAndCut, IsTheSameForAnyNumberOfThreads) {
  const at::Tensor windows = at::randint(-9, 40, {64, 6}, at::kInt);
  const at::Tensor images = at::randn({64, 3, 32, 32});
  testing::expect_same_for_any_threads([&] {
    return std::vector<at::Tensor>{shift_and_cut(images, windows, 0),
                                   shift_and_cut_backward(images, windows)};
  });
}

// The CPU is the reference of every CUDA kernel.
class OnCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no GPU";
  }
  at::Tensor gpu(const at::Tensor& t) { return t.to(at::kCUDA); }
};

TEST_F(OnCuda, ImagesAgreeToTheBit) {
  const at::Tensor bytes = at::randint(0, 256, {16, 32, 32, 3}, at::kInt).to(at::kByte);
  at::Tensor out = at::empty({16, 3, 32, 32}, at::TensorOptions(at::kCUDA).dtype(at::kFloat),
                             at::MemoryFormat::ChannelsLast);
  images_from_bytes(gpu(bytes), out, {true, 5}, gpu(position_at(40)), 8);
  EXPECT_TRUE(at::equal(out.cpu(), converted(bytes, {true, 5}, 40, 8)));
}

TEST_F(OnCuda, UniformNumbersAgreeToTheBit) {
  at::Tensor here = at::empty({33, 65}, at::kFloat);
  at::Tensor there = at::empty({33, 65}, at::TensorOptions(at::kCUDA).dtype(at::kFloat));
  const UniformDraw draw{9, RandomStream::kLatentG, -1, 1};
  fill_uniform(here, draw, position_at(12345), 3);
  fill_uniform(there, draw, gpu(position_at(12345)), 3);
  EXPECT_TRUE(at::equal(there.cpu(), here));
}

}  // namespace
}  // namespace valley::kernels
