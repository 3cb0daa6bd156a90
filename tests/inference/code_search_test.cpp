#include "inference/code_search.h"

#include "methods/adversarial/autoencoder_gan.h"
#include "toy_models.h"

namespace valley {
namespace {

using testing::first_row_unknown;

at::Tensor search(const RestoreTask& task, std::int64_t steps) {
  const SavedModel saved = testing::toy_gan();
  RestoreRequest request;
  request.chain.steps = steps;
  return make_code_search(dynamic_cast<const AutoencoderGan&>(*saved.model), request, at::kCPU)
      ->restore(task);
}

TEST(CodeSearch, FindsTheCodeThatFitsKnownPixels) {
  // The code of the guess is 0.65; that of the known pixels is 0.8.
  const RestoreTask task = first_row_unknown(0.8, 0.2);
  const at::Tensor restored = search(task, 200);
  EXPECT_LT((restored[0][0][0] - 0.8).abs().max().item<double>(), 0.01);
  EXPECT_TRUE(at::equal(restored.narrow(2, 1, 3), task.damaged.narrow(2, 1, 3)));
}

TEST(CodeSearch, FirstStepMovesCodeByRelativeRate) {
  // The first step of Adam has the size of its rate, 0.2 times the code.
  EXPECT_NEAR(search(first_row_unknown(0.8, 0.2), 1)[0][0][0][0].item<double>(), 0.65 * 1.2, 1e-5);
}

TEST(CodeSearch, WatchSeesStartAndEachStep) {
  const SavedModel saved = testing::toy_gan();
  RestoreTask task = first_row_unknown(0.8, 0.2);
  std::vector<std::int64_t> steps;
  task.watch = [&](std::int64_t done, const at::Tensor& x) {
    steps.push_back(done);
    EXPECT_EQ(x.sizes(), task.damaged.sizes());
  };
  RestoreRequest request;
  request.chain.steps = 2;
  static_cast<void>(
      make_code_search(dynamic_cast<const AutoencoderGan&>(*saved.model), request, at::kCPU)
          ->restore(task));
  EXPECT_EQ(steps, (std::vector<std::int64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace valley
