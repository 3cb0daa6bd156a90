#include "inference/damage.h"

#include "toy_models.h"

namespace valley {
namespace {

constexpr std::int64_t kDamageSide = 64;

at::Tensor gray_images(std::int64_t n, double value = 0.6) {
  return at::full({n, 3, kDamageSide, kDamageSide}, value);
}

TEST(Damage, OfAnImageDependsOnSeedAndPositionOnly) {
  const Damage damage{0.2, 0.1, {}};
  const DamagedImages all = make_damage(gray_images(3), damage, 5, 10);
  const DamagedImages one = make_damage(gray_images(1), damage, 5, 12);
  EXPECT_TRUE(at::equal(all.images[2], one.images[0]));
  EXPECT_TRUE(at::equal(all.unknown[2], one.unknown[0]));
  EXPECT_FALSE(at::equal(make_damage(gray_images(1), damage, 6, 12).images, one.images));
}

TEST(Damage, SaltAndPepperTakesItsShareOfPixelsInAllChannels) {
  const DamagedImages damaged = make_damage(gray_images(4), {0, 0.3, {}}, 1, 0);
  EXPECT_NEAR(damaged.unknown.to(at::kFloat).mean().item<double>(), 0.3, 0.02);
  const at::Tensor unknown = damaged.unknown.expand_as(damaged.images);
  const at::Tensor extreme = at::logical_or(damaged.images == 0, damaged.images == 1);
  EXPECT_TRUE(at::equal(extreme, unknown));
  const at::Tensor white = (damaged.images == 1).to(at::kFloat).mean();
  EXPECT_NEAR(white.item<double>(), 0.15, 0.02);
}

TEST(Damage, NoiseHasItsStandardDeviationAndLeavesAllPixelsKnown) {
  const DamagedImages damaged = make_damage(gray_images(4, 0.5), {0.1, 0, {}}, 1, 0);
  EXPECT_NEAR(damaged.images.std().item<double>(), 0.1, 0.005);
  EXPECT_FALSE(damaged.unknown.any().item<bool>());
  // Quantized to 8 bits.
  const at::Tensor levels = damaged.images * 255;
  EXPECT_LT((levels - levels.round()).abs().max().item<double>(), 1e-4);
}

TEST(Damage, ErasedPixelsBecomeGrayAndUnknown) {
  const at::Tensor box = parse_box("1,2,3,4", kDamageSide);
  const DamagedImages damaged = make_damage(gray_images(1), {0, 0, box}, 1, 0);
  EXPECT_TRUE(at::equal(damaged.unknown[0][0], box));
  EXPECT_NEAR(damaged.images[0][0][2][1].item<double>(), 0.5, 1.0 / 255);
  EXPECT_NEAR(damaged.images[0][0][2][0].item<double>(), 0.6, 1.0 / 255);
}

TEST(Damage, SuspectsAreExtremePixelsUnlikeTheirNeighbors) {
  at::Tensor x = at::full({1, 3, 8, 8}, 0.5);
  x.select(2, 3).select(2, 3).fill_(1);        // white in all channels
  x[0][0][6][6] = 1;                           // white in one channel
  x.narrow(2, 0, 2).narrow(3, 5, 3).fill_(0);  // a black area
  const at::Tensor suspects = salt_and_pepper_suspects(x);
  EXPECT_TRUE(suspects[0][0][3][3].item<bool>());
  EXPECT_FALSE(suspects[0][0][6][6].item<bool>());
  EXPECT_FALSE(suspects[0][0][0][6].item<bool>());
}

TEST(ParseBox, AcceptsCornerAndCenteredBoxes) {
  const at::Tensor corner = parse_box("1,2,3,4", 16);
  EXPECT_EQ(corner.sum().item<int>(), 12);
  EXPECT_TRUE(corner[2][1].item<bool>());
  EXPECT_TRUE(corner[5][3].item<bool>());
  EXPECT_FALSE(corner[6][1].item<bool>());
  const at::Tensor centered = parse_box("4x2", 16);
  EXPECT_EQ(centered.sum().item<int>(), 8);
  EXPECT_TRUE(centered[7][6].item<bool>());
  EXPECT_TRUE(centered[8][9].item<bool>());
}

TEST(ParseBox, RejectsOtherTextAndBoxesOutsideTheImage) {
  for (const char* text :
       {"", "1,2,3", "1,2,3,4,5", "4", "4x", "1,2,3,four", "4x4x4", "1, 2,3,4"}) {
    const auto parse = [&] { static_cast<void>(parse_box(text, 16)); };
    EXPECT_NE(testing::message_of(ExitCode::kUsage, parse).find("write X,Y,W,H"), std::string::npos)
        << text;
  }
  for (const char* text :
       {"15,0,2,1", "-1,0,2,2", "0,0,0,4", "17x1", "0,9223372036854775807,1,1"}) {
    const auto parse = [&] { static_cast<void>(parse_box(text, 16)); };
    EXPECT_NE(testing::message_of(ExitCode::kUsage, parse).find("16x16"), std::string::npos)
        << text;
  }
}

}  // namespace
}  // namespace valley
