// Compares n ranks with one rank that has the whole batch; a deliberately broken reduction must be
// detected.
#include <gtest/gtest.h>

#include "comm/ranked_test.h"
#include "forwarding_communicator.h"
#include "kernels/device.h"
#include "support/small_training.h"

namespace valley {
namespace {

using testing::kImages;
using testing::one_rank;
using testing::run_steps;
using testing::small_experiment;
using testing::world;

constexpr std::int64_t kRankSteps = 4;

class BrokenCommunicator : public testing::ForwardingCommunicator {
 public:
  enum class Fault { kSkipsReduction, kForgetsOneRank };
  BrokenCommunicator(Communicator& real, Fault fault)
      : ForwardingCommunicator(real), fault_(fault) {}
  [[nodiscard]] std::string name() const override { return "broken"; }
  [[nodiscard]] std::unique_ptr<Work> all_reduce(const at::Tensor& t, ReduceOp op) override {
    return ForwardingCommunicator::all_reduce(corrupted(t), op);
  }
  [[nodiscard]] std::unique_ptr<Work> tree_reduce(const at::Tensor& t) override {
    return ForwardingCommunicator::tree_reduce(corrupted(t));
  }

 private:
  // The tensor to reduce instead of `t`.
  [[nodiscard]] at::Tensor corrupted(const at::Tensor& t) const {
    if (fault_ == Fault::kForgetsOneRank && rank() == size() - 1) t.zero_();
    return fault_ == Fault::kSkipsReduction ? t.clone() : t;
  }
  Fault fault_;
};

std::string trained_digest(Communicator& communicator, const Experiment& experiment,
                           AutoInt microbatch, std::unique_ptr<Trainer>* out = nullptr) {
  set_arithmetic({Precision::kFp32, true, 1});
  static Experiment e;
  e = experiment;
  const bool reproducible = e.train.reproducible;
  auto trainer = std::make_unique<Trainer>(
      e, plan_microbatches(8, microbatch, communicator.size(), reproducible), communicator,
      kImages);
  run_steps(*trainer, communicator.rank(), kRankSteps);
  std::string digest = trainer->digest();
  if (out != nullptr) *out = std::move(trainer);
  return digest;
}

std::string trained_digest(Communicator& communicator, bool reproducible,
                           std::unique_ptr<Trainer>* out = nullptr) {
  Experiment e = small_experiment();
  e.train.reproducible = reproducible;
  return trained_digest(communicator, e, reproducible ? AutoInt(1) : std::nullopt, out);
}

TEST(Ranks, ReproducibleTrainingIsBitwiseEqualToOneRank) {
  const auto alone = one_rank();
  EXPECT_EQ(trained_digest(world().device(), true), trained_digest(*alone, true));
}

// Buffers: moments of microbatches, singular vectors and carries.
TEST(Ranks, BuffersAreBitwiseEqualToOneRank) {
  const auto alone = one_rank();
  using testing::BufferKind;
  for (const BufferKind kind :
       {BufferKind::kBatchNorm, BufferKind::kCarry, BufferKind::kSingularVectors}) {
    Experiment e = testing::experiment_with(kind);
    e.train.reproducible = true;
    std::unique_ptr<Trainer> one;
    std::unique_ptr<Trainer> many;
    EXPECT_EQ(trained_digest(world().device(), e, 2, &many), trained_digest(*alone, e, 2, &one))
        << static_cast<int>(kind);
    const Schema schema = e.schema();
    const TensorMap expected = one->snapshot(schema, "").model.tensors;
    for (const auto& [name, tensor] : many->snapshot(schema, "").model.tensors)
      EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;  // averages as well
    // Without `reproducible` the same microbatches are summed in another order.
    e.train.reproducible = false;
    const std::string digest = trained_digest(world().device(), e, 2, &many);
    for (const std::string& other : world().gather(digest)) EXPECT_EQ(other, digest);
    if (kind != BufferKind::kBatchNorm) continue;
    for (const auto& [name, tensor] : many->snapshot(schema, "").model.tensors) {
      if (name.find("running") == std::string::npos) continue;
      EXPECT_TRUE(at::allclose(tensor, expected.at(name), 1e-2, 1e-3)) << name;
    }
  }
}

TEST(Ranks, PlainTrainingIsNearOneRankAndEqualOnAllRanks) {
  const auto alone = one_rank();
  std::unique_ptr<Trainer> one;
  std::unique_ptr<Trainer> many;
  trained_digest(*alone, false, &one);
  const std::string digest = trained_digest(world().device(), false, &many);
  for (const std::string& other : world().gather(digest)) EXPECT_EQ(other, digest);  // includes k_t
  Experiment e = small_experiment();
  const Schema schema = e.schema();
  const TensorMap expected = one->snapshot(schema, "").model.tensors;
  for (const auto& [name, tensor] : many->snapshot(schema, "").model.tensors) {
    const double difference = (tensor - expected.at(name)).norm().item<double>();
    EXPECT_LE(difference, 1e-4 * (expected.at(name).norm().item<double>() + 1e-2)) << name;
  }
}

TEST(Ranks, BrokenReductionIsDetected) {
  const auto alone = one_rank();
  using Fault = BrokenCommunicator::Fault;
  for (const bool reproducible : {true, false}) {
    const std::string expected = trained_digest(*alone, reproducible);
    for (const Fault fault : {Fault::kSkipsReduction, Fault::kForgetsOneRank}) {
      BrokenCommunicator broken(world().device(), fault);
      const std::string digest = trained_digest(broken, reproducible);
      EXPECT_NE(digest, expected);
      if (fault != Fault::kSkipsReduction) continue;
      // The check before every checkpoint also detects replicas that differ.
      EXPECT_THROW(world().require_equal("the networks", digest), std::exception);
    }
  }
}

}  // namespace
}  // namespace valley
