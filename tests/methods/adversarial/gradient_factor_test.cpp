// Gradients with and without a factor, and the cost of many scopes.
#include "methods/adversarial/gradient_factor.h"

#include <malloc.h>

#include <chrono>

#include "support/small_gan.h"

namespace valley {
namespace {

class GradientFactorTest : public testing::SmallGan {
 protected:
  GradientFactorTest() {
    prepare({"discriminator"});
    weight_ = gan().discriminator().parameters().all().front().value;
  }
  // Adds 1 to each element's gradient.
  void backward() const { weight_.sum().backward(); }
  [[nodiscard]] double gradient() const { return weight_.grad().max().item<double>(); }

  at::Tensor weight_;
};

TEST_F(GradientFactorTest, AppliesInsideItsScopeOnly) {
  GradientFactor factor(gan().discriminator());
  backward();
  EXPECT_EQ(gradient(), 1);
  {
    const auto scope = factor.apply(at::full({}, -0.5F));
    backward();
    EXPECT_EQ(gradient(), 0.5);
    backward();
    EXPECT_EQ(gradient(), 0);
  }
  backward();
  EXPECT_EQ(gradient(), 1);
  const auto again = factor.apply(at::full({}, 3.0F));
  backward();
  EXPECT_EQ(gradient(), 4);
}

TEST_F(GradientFactorTest, TimeAndMemoryStayConstantOver20000Scopes) {
  GradientFactor factor(gan().discriminator());
  const at::Tensor third = at::full({}, 1.0F / 3);
  const auto run = [&](int scopes) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < scopes; ++i) {
      const auto scope = factor.apply(third);
      backward();
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  run(1000);
  const double early = run(1000);
  const std::size_t used = ::mallinfo2().uordblks;
  run(18'000);
  const double late = run(1000);
  EXPECT_LT(::mallinfo2().uordblks, used + (std::size_t{64} << 10));
  EXPECT_LT(late, 3 * early);
}

}  // namespace
}  // namespace valley
