#include "methods/dbn/method.h"

#include <gtest/gtest.h>

#include "methods/dbn/options.h"

namespace valley {
namespace {

TEST(DbnMethod, PersistentChainsWithLargeMomentumGiveAWarning) {
  const auto method = make_dbn_method();
  ObjectiveOptions all("dbn");
  auto& options = all.as<DbnOptions>();
  EXPECT_FALSE(method->warning(all, {"sgd", 0.9}));
  options.persistent_chains = true;
  const auto warning = method->warning(all, {"sgd", 0.9});
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find("optimizer.momentum = 0.9"), std::string::npos) << *warning;
  EXPECT_FALSE(method->warning(all, {"sgd", 0.5}));
  options.pretrain_epochs = 0;  // no RBM is trained
  EXPECT_FALSE(method->warning(all, {"sgd", 0.9}));
}

}  // namespace
}  // namespace valley
