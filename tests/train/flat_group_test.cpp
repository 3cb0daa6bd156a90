#include "train/flat_group.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace valley {
namespace {

class FlatGroupTest : public ::testing::Test {
 protected:
  FlatGroupTest()
      : weight_(set_.add("conv.weight", {5, 3, 3, 3}, Initializer::xavier_uniform(27, 45))),
        bias_(set_.add("conv.bias", {5}, Initializer::zero())) {
    set_.initialize(1, "");
    before_ = weight_.detach().clone();
  }
  ParameterSet set_;
  at::Tensor weight_, bias_, before_;
};

TEST_F(FlatGroupTest, KeepsValuesAndMakesParametersViews) {
  const FlatGroup group("g", set_, at::kCPU, true);
  EXPECT_TRUE(at::equal(weight_, before_));
  EXPECT_TRUE(weight_.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_EQ(group.layout().size() % 64, 0);
  group.values().fill_(2);
  EXPECT_EQ(weight_.detach().min().item<float>(), 2.0F);
  EXPECT_EQ(bias_.detach().min().item<float>(), 2.0F);
}

TEST_F(FlatGroupTest, BackwardFillsTheFlatBufferInPlace) {
  const FlatGroup group("g", set_, at::kCPU, true);
  set_.require_grad(true);
  const void* storage = weight_.grad().data_ptr();
  for (int pass = 1; pass <= 2; ++pass) {
    ((weight_ * weight_).sum() + bias_.sum() * 3).backward();
    EXPECT_EQ(weight_.grad().data_ptr(), storage);
    const at::Tensor gradients = group.gradients();
    EXPECT_TRUE(at::allclose(group.layout().view(gradients, 0), before_ * 2 * pass));
    EXPECT_TRUE(at::allclose(group.layout().view(gradients, 1), at::full({5}, 3.0 * pass)));
  }
  EXPECT_EQ(group.tail().abs().sum().item<float>(), 0.0F);
  group.zero();
  EXPECT_EQ(weight_.grad().abs().sum().item<float>(), 0.0F);
}

TEST_F(FlatGroupTest, SavesByNameAndLoadsWhatItSaved) {
  const FlatGroup group("g", set_, at::kCPU, true);
  TensorMap saved;
  group.layout().save(group.values(), "g.", saved);
  EXPECT_TRUE(saved.at("g.conv.weight").is_contiguous());
  EXPECT_TRUE(at::equal(saved.at("g.conv.weight"), before_));
  group.values().zero_();
  group.layout().load(group.values(), "g.", saved, "here");
  EXPECT_TRUE(at::equal(weight_, before_));
  saved.erase("g.conv.bias");
  EXPECT_THROW(group.layout().load(group.values(), "g.", saved, "here"), Error);
}

}  // namespace
}  // namespace valley
