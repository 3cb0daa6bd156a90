#include "data/device_cache.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "fake_dataset.h"
#include "kernels/device.h"

namespace valley {
namespace {

// Over the ends of epochs, for both orders, each rank, from the start and after a resume.
void expect_batches_of_the_loader(at::Device device) {
  const auto dataset = std::make_shared<FakeDataset>(37);
  for (const OrderKind kind : {OrderKind::kGlobal, OrderKind::kWindow}) {
    const Order order(5, 37, kind);
    for (int rank = 0; rank < 2; ++rank) {
      LoaderOptions options;
      options.global_batch = 8;
      options.rank = rank;
      options.ranks = 2;
      options.first_step = rank * 7;
      options.pinned = device.is_cuda();
      Loader loader(dataset, order, options);
      DeviceCache cache(dataset, order, options, device);
      for (int i = 0; i < 20; ++i) {
        const Batch& expected = loader.next();
        const Batch& got = cache.next();
        ASSERT_EQ(got.step, expected.step);
        ASSERT_EQ(got.first_position, expected.first_position);
        ASSERT_EQ(got.pixels.device().type(), device.type());
        ASSERT_TRUE(got.pixels.is_contiguous());
        ASSERT_TRUE(at::equal(got.pixels.cpu(), expected.pixels)) << "batch " << i;
        ASSERT_TRUE(at::equal(got.labels.cpu(), expected.labels)) << "batch " << i;
      }
    }
  }
}

TEST(DeviceCache, DeliversTheBatchesOfTheLoader) { expect_batches_of_the_loader(at::kCPU); }

TEST(DeviceCacheOnCuda, DeliversTheBatchesOfTheLoader) {
  if (!has_cuda_device()) GTEST_SKIP() << "no GPU";
  expect_batches_of_the_loader(at::Device(at::kCUDA, 0));
}

TEST(DeviceCache, ReadsAndVerifiesEachImageOnceUnlessDisabled) {
  for (const Verify verify : {Verify::kOff, Verify::kFirstEpoch, Verify::kAlways}) {
    const auto dataset = std::make_shared<FakeDataset>(20);
    LoaderOptions options;
    options.global_batch = 10;
    options.verify = verify;
    DeviceCache cache(dataset, Order(5, 20, OrderKind::kGlobal), options, at::kCPU);
    for (int i = 0; i < 10; ++i) static_cast<void>(cache.next());
    EXPECT_EQ(dataset->reads(), 20U);
    EXPECT_EQ(dataset->verified(), verify == Verify::kOff ? 0U : 20U);
    EXPECT_EQ(dataset->hinted().size(), 20U);
    EXPECT_EQ(cached_bytes(*dataset), 20 * (4 * 4 * 3 + 8));
  }
}

// Simulates the ranks one after the other: each submits its part and receives those of the others.
TEST(DeviceCache, PartsOfAllRanksFormTheDataSet) {
  for (const int ranks : {1, 2, 4, 8}) {
    const Order order(5, 37, OrderKind::kGlobal);
    LoaderOptions options;
    options.global_batch = 8;
    options.ranks = ranks;
    std::vector<at::Tensor> parts;
    std::uint64_t reads = 0;
    for (options.rank = 0; options.rank < ranks; ++options.rank) {
      const auto dataset = std::make_shared<FakeDataset>(37);
      const DeviceCache cache(
          dataset, order, options, at::kCPU,
          [&](const at::Tensor& share, const at::Tensor& /*all*/) { parts.push_back(share); });
      reads += dataset->reads();
    }
    EXPECT_EQ(reads, 37U);
    for (options.rank = 0; options.rank < ranks; ++options.rank) {
      const auto dataset = std::make_shared<FakeDataset>(37);
      Loader loader(dataset, order, options);
      DeviceCache cache(
          dataset, order, options, at::kCPU,
          [&](const at::Tensor& /*share*/, const at::Tensor& all) { all.copy_(at::stack(parts)); });
      for (int i = 0; i < 6; ++i)
        ASSERT_TRUE(at::equal(cache.next().pixels, loader.next().pixels)) << ranks << " ranks";
    }
  }
}

TEST(DeviceCache, ReadErrorIsRethrown) {
  const auto dataset = std::make_shared<FakeDataset>(20);
  dataset->on_read = [](std::uint64_t image) {
    if (image == 13) throw std::runtime_error("image 13 is broken");
  };
  try {
    DeviceCache cache(dataset, Order(5, 20, OrderKind::kGlobal), {}, at::kCPU);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "image 13 is broken");
  }
}

}  // namespace
}  // namespace valley
