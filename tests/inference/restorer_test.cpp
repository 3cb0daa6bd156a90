#include "inference/restorer.h"

#include "toy_models.h"

namespace valley {
namespace {

using testing::toy_dbn;
using testing::toy_ebm;
using testing::toy_gan;

std::string method_of(const SavedModel& saved, const RestoreRequest& request) {
  const auto energy = make_image_energy(saved, at::kCPU);
  const std::string description = make_restorer(saved, *energy, request)->describe();
  return description.substr(0, description.find(':'));
}

std::string rejected(const SavedModel& saved, const RestoreRequest& request) {
  return testing::message_of(ExitCode::kUsage,
                             [&] { static_cast<void>(method_of(saved, request)); });
}

TEST(Restorer, AutoChoosesMethodByModelAndNoise) {
  RestoreRequest request;
  EXPECT_EQ(method_of(toy_gan(), request), "code");
  EXPECT_EQ(method_of(toy_ebm(), request), "gradient");
  EXPECT_EQ(method_of(toy_dbn({3}), request), "gibbs");
  EXPECT_EQ(method_of(toy_dbn({3, 2}), request), "gradient");
  request.is_noisy = true;
  EXPECT_EQ(method_of(toy_gan(), request), "project");
}

TEST(Restorer, EveryListedMethodWorksForSomeModel) {
  for (const std::string& method : restore_methods()) {
    RestoreRequest request;
    request.method = method;
    if (method == "gibbs") {
      EXPECT_EQ(method_of(toy_dbn({3}), request), method);
    } else if (method != "auto") {
      if (method == "langevin") request.chain.noise = 0.1;
      EXPECT_EQ(method_of(toy_gan(), request), method);
    }
  }
}

TEST(Restorer, MinSumTakesNoSettingsOfChains) {
  RestoreRequest request;
  request.method = "min-sum";
  EXPECT_EQ(method_of(toy_ebm(), request), "min-sum");
  request.chain.steps = 0;
  EXPECT_NE(rejected(toy_ebm(), request).find("--steps 0"), std::string::npos);
  request.chain = {};
  request.chain.noise = 0.1;
  EXPECT_NE(rejected(toy_ebm(), request).find("--chain-noise"), std::string::npos);
}

TEST(Restorer, MethodsOfOtherModelsAndUnknownOnesAreRejected) {
  RestoreRequest request;
  request.method = "code";
  EXPECT_NE(rejected(toy_ebm(), request).find("--method code"), std::string::npos);
  request.method = "gibbs";
  EXPECT_NE(rejected(toy_gan(), request).find("--method gibbs"), std::string::npos);
  request.method = "magic";
  EXPECT_NE(rejected(toy_gan(), request).find("--method magic"), std::string::npos);
}

TEST(Restorer, SettingsThatTheMethodLacksAreRejected) {
  RestoreRequest request;
  request.weight = 0;
  EXPECT_NE(rejected(toy_gan(), request).find("--weight 0"), std::string::npos);
  request = {};
  request.chain.clamp = 1;
  EXPECT_NE(rejected(toy_gan(), request).find("--clamp"), std::string::npos);
  request = {};
  request.chain.steps = 0;
  EXPECT_NE(rejected(toy_gan(), request).find("--steps 0"), std::string::npos);
}

}  // namespace
}  // namespace valley
