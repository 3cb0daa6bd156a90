#include "inference/latent_search.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "inference/damage.h"
#include "inference/image_energy.h"
#include "toy_models.h"

namespace valley {
namespace {

constexpr std::int64_t kPixels = testing::kToySide * testing::kToySide;

// Pixel p is f(a_p z_0 + b_p z_1), where f is the logistic function or, for `linear`, 0.5 + x.
class WaveGenerator final : public Generator {
 public:
  explicit WaveGenerator(bool linear) : Generator(at::kCPU), linear_(linear) {}
  [[nodiscard]] std::vector<LayerInfo> layers() const override { return {}; }

 private:
  [[nodiscard]] at::Tensor forward(const at::Tensor& z,
                                   const at::Tensor& /*classes*/) const override {
    const at::Tensor p = at::arange(kPixels, at::kFloat);
    const at::Tensor x = z.mm(at::stack({at::sin(p), at::cos(p * 1.7)}));
    return (linear_ ? x + 0.5 : at::sigmoid(x)).view({-1, 1, testing::kToySide, testing::kToySide});
  }
  bool linear_;
};

SavedModel wave_gan(bool linear = false) {
  SavedModel saved = testing::toy_gan();
  saved.model = std::make_unique<AutoencoderGan>(std::make_unique<WaveGenerator>(linear),
                                                 std::make_unique<testing::MeanAutoencoder>(),
                                                 saved.options, GanConvs::k4x4);
  return saved;
}

// Pixels generated from `z` [n, 2], rounded to 8 bits.
at::Tensor rounded_images(const SavedModel& saved, const at::Tensor& z) {
  const auto& generator = dynamic_cast<const Generator&>(saved.model->network("generator"));
  return unit_images(bytes_from_unit(generator.generate(z)), at::kCPU);
}

RestoreTask task_of(const at::Tensor& images) {
  RestoreTask task;
  task.damaged = images;
  task.unknown = at::zeros({images.size(0), 1, testing::kToySide, testing::kToySide}, at::kBool);
  task.start = images;
  task.guess = images;
  task.seed = 3;
  return task;
}

struct Found {
  at::Tensor images;
  LatentFit fit;
};

Found search(const SavedModel& saved, RestoreTask task, bool normal, bool is_intact = true,
             std::int64_t restarts = 2) {
  RestoreRequest request;
  request.is_intact = is_intact;
  request.restarts = restarts;
  Found found;
  task.found = [&](const LatentFit& fit) { found.fit = fit; };
  found.images = make_latent_search(*saved.model, {2, normal}, request, at::kCPU)->restore(task);
  return found;
}

double max_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

const at::Tensor& own_latents() {
  static const at::Tensor z = at::tensor({0.3F, -0.8F, -0.9F, 0.1F, 0.55F, 0.6F}).view({3, 2});
  return z;
}

TEST(LatentSearch, FindsTheLatentsOfOwnSamplesToRounding) {
  const SavedModel saved = wave_gan();
  for (const bool normal : {false, true}) {
    const at::Tensor images = rounded_images(saved, own_latents());
    const Found found = search(saved, task_of(images), normal);
    EXPECT_LT(max_difference(found.fit.latents, own_latents()), 0.01) << normal;
    EXPECT_LT((found.images - images).square().mean().sqrt().item<double>(), 0.35 / 255);
    EXPECT_TRUE(at::equal(found.images, found.fit.images));
    EXPECT_EQ(found.fit.starts, (std::vector<std::int64_t>{1, 1, 1}));
    for (const std::int64_t steps : found.fit.steps) EXPECT_LE(steps, 12);
  }
}

TEST(LatentSearch, ClippedPixelsAreNoDifference) {
  const SavedModel saved = wave_gan(true);  // values from -0.9 to 1.9
  const at::Tensor z = at::tensor({0.9F, 0.8F}).view({1, 2});
  const at::Tensor images = rounded_images(saved, z);
  ASSERT_GT(((images == 0) | (images == 1)).sum().item<std::int64_t>(), 4);
  EXPECT_LT(max_difference(search(saved, task_of(images), false).fit.latents, z), 0.01);
}

TEST(LatentSearch, UniformLatentsStayInTheBoxAtItsClosestPoint) {
  const SavedModel saved = wave_gan();
  const at::Tensor images = rounded_images(saved, at::tensor({1.6F, 0.4F}).view({1, 2}));
  const at::Tensor z = search(saved, task_of(images), false).fit.latents[0];
  EXPECT_EQ(z[0].item<float>(), 1.0F);
  // The best z_1 at the bound, from a grid.
  const at::Tensor grid = at::stack({at::ones({2001}), at::linspace(-1, 1, 2001)}, 1);
  const auto& generator = dynamic_cast<const Generator&>(saved.model->network("generator"));
  const at::Tensor errors = (generator.generate(grid) - images).square().flatten(1).sum(1);
  EXPECT_NEAR(z[1].item<double>(), grid[errors.argmin().item<std::int64_t>()][1].item<double>(),
              2e-3);
}

TEST(LatentSearch, ResultOfAnImageDoesNotDependOnTheOthers) {
  const SavedModel saved = wave_gan();
  const at::Tensor images = rounded_images(saved, own_latents());
  const Found all = search(saved, task_of(images), true);
  for (std::int64_t i = 0; i < 3; ++i) {
    RestoreTask one = task_of(images.narrow(0, i, 1));
    one.position = static_cast<std::uint64_t>(i);
    EXPECT_TRUE(at::equal(search(saved, one, true).fit.latents[0], all.fit.latents[i])) << i;
  }
}

TEST(LatentSearch, KnownPixelsStayAndUnknownOnesAreGenerated) {
  const SavedModel saved = wave_gan();
  const at::Tensor truth = rounded_images(saved, own_latents());
  RestoreTask task = task_of(truth.clone());
  task.unknown.narrow(2, 1, 2).fill_(true);
  task.damaged.narrow(2, 1, 2).fill_(0.5);
  const Found found = search(saved, task, false, false);
  const at::Tensor known = task.unknown.logical_not();
  EXPECT_TRUE(at::equal(found.images.masked_select(known), truth.masked_select(known)));
  EXPECT_LT(max_difference(found.images, truth), 0.01);
  EXPECT_GT(max_difference(task.damaged, truth), 0.2);
}

TEST(LatentSearch, RestartsForAnImageThatNoLatentFits) {
  const SavedModel saved = wave_gan();
  at::Tensor image = at::zeros({1, 1, testing::kToySide, testing::kToySide});
  image.flatten().slice(0, 0, kPixels, 2).fill_(0.9);
  const Found found = search(saved, task_of(image), true, true, 4);
  EXPECT_EQ(found.fit.starts, std::vector<std::int64_t>{5});
  EXPECT_EQ(search(saved, task_of(image), true, true, 0).fit.starts, std::vector<std::int64_t>{1});
}

TEST(LatentSearch, WatchSeesStartAndEachStepWithDecreasingErrors) {
  const SavedModel saved = wave_gan();
  RestoreTask task = task_of(rounded_images(saved, own_latents()));
  std::vector<std::int64_t> steps;
  double error = std::numeric_limits<double>::infinity();
  task.watch = [&](std::int64_t done, const at::Tensor& x) {
    steps.push_back(done);
    const double now = (x - task.damaged).square().sum().item<double>();
    EXPECT_LE(now, error);
    error = now;
  };
  RestoreRequest request;
  request.is_intact = true;
  request.chain.steps = 3;
  static_cast<void>(make_latent_search(*saved.model, {2, false}, request, at::kCPU)->restore(task));
  EXPECT_EQ(steps, (std::vector<std::int64_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace valley
