#include "inference/sample_source.h"

#include <numeric>

#include "inference/gibbs_source.h"
#include "methods/dbn/networks.h"
#include "toy_models.h"

namespace valley {
namespace {

using testing::kToySide;

TEST(SampleSource, GeneratorGivesTheImageOfEachSeedsLatent) {
  const SavedModel saved = testing::toy_gan();
  const auto source = make_sample_source(saved, at::kCPU);
  const at::Tensor pixels = source->pixels(5, 40);
  EXPECT_EQ(pixels.sizes(), (at::IntArrayRef{40, kToySide, kToySide, 1}));
  std::vector<std::uint64_t> seeds(40);
  std::iota(seeds.begin(), seeds.end(), std::uint64_t{5});
  const at::Tensor latents = latents_from_seeds(seeds, latent_draw(saved.options), at::kCPU);
  for (std::int64_t i = 0; i < 40; ++i) {
    const int expected = latents[i][0].item<float>() > 0 ? 255 : 0;
    EXPECT_TRUE((pixels[i] == expected).all().item<bool>()) << i;
  }
}

TEST(SampleSource, StepsAreRejectedForGenerator) {
  const SavedModel saved = testing::toy_gan();
  const std::string message = testing::message_of(
      ExitCode::kUsage, [&] { static_cast<void>(make_sample_source(saved, at::kCPU, 10)); });
  EXPECT_NE(message.find("toy.safetensors has a generator"), std::string::npos);
}

TEST(SampleSource, EnergyModelIsSampledByChainsOfRequestedLength) {
  const SavedModel saved = testing::toy_ebm();
  // 200 steps that multiply x - 0.5 by 0.8 reach the minimum.
  const at::Tensor pixels = make_sample_source(saved, at::kCPU, 200)->pixels(0, 3);
  EXPECT_LE((pixels.to(at::kFloat) - 127.5).abs().max().item<double>(), 1);
  EXPECT_GT((make_sample_source(saved, at::kCPU, 1)->pixels(0, 3).to(at::kFloat) - 127.5)
                .abs()
                .max()
                .item<double>(),
            50);
}

TEST(SampleSource, DeepBeliefNetworkIsSampledByGibbsChains) {
  const SavedModel saved = testing::toy_dbn({4});
  const auto& dbn = dynamic_cast<const DeepBeliefNetwork&>(*saved.model);
  const at::Tensor expected = make_gibbs_source(dbn, {9, {}, false}, at::kCPU)->pixels(2, 3);
  EXPECT_TRUE(at::equal(make_sample_source(saved, at::kCPU, 9)->pixels(2, 3), expected));
}

}  // namespace
}  // namespace valley
