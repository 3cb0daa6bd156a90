#include "data/loader.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "fake_dataset.h"
#include "kernels/device.h"

namespace valley {
namespace {

using namespace std::chrono_literals;

struct Delivered {
  at::Tensor pixels;
  at::Tensor labels;
};

Delivered copy_of(const Batch& batch) { return {batch.pixels.clone(), batch.labels.clone()}; }

std::vector<Delivered> take(Loader& loader, int steps) {
  std::vector<Delivered> batches;
  for (int i = 0; i < steps; ++i) batches.push_back(copy_of(loader.next()));
  return batches;
}

void expect_equal(const std::vector<Delivered>& a, const std::vector<Delivered>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(at::equal(a[i].pixels, b[i].pixels)) << "batch " << i;
    EXPECT_TRUE(at::equal(a[i].labels, b[i].labels)) << "batch " << i;
  }
}

TEST(Loader, DeliversTheImagesOfTheOrder) {
  const auto dataset = std::make_shared<FakeDataset>(37);
  const Order order(5, 37, OrderKind::kGlobal);
  LoaderOptions options;
  options.global_batch = 8;
  options.threads = 2;
  Loader loader(dataset, order, options);
  std::vector<int> seen(37);
  for (std::int64_t step = 0; step < 37; ++step) {  // eight epochs; batches straddle epochs
    const Batch& batch = loader.next();
    ASSERT_EQ(batch.step, step);
    ASSERT_EQ(batch.first_position, static_cast<std::uint64_t>(step) * 8);
    ASSERT_EQ(batch.pixels.sizes(), (std::vector<std::int64_t>{8, 4, 4, 3}));
    ASSERT_EQ(batch.pixels.scalar_type(), at::kByte);
    ASSERT_EQ(batch.labels.sizes(), (std::vector<std::int64_t>{8}));
    ASSERT_TRUE(batch.pixels.is_contiguous());
    const auto* pixels = batch.pixels.const_data_ptr<std::uint8_t>();
    const auto* labels = batch.labels.const_data_ptr<std::int64_t>();
    for (std::uint64_t row = 0; row < 8; ++row) {
      const auto image = order.image_at(batch.first_position + row);
      ++seen[image];
      ASSERT_EQ(labels[row], dataset->label(image));
      for (std::uint64_t i = 0; i < 48; ++i) {
        ASSERT_EQ(pixels[row * 48 + i], FakeDataset::byte_of(image, i));
      }
    }
  }
  EXPECT_EQ(seen, std::vector<int>(37, 8));
}

TEST(Loader, SharesOfRanksFormTheGlobalBatch) {
  const auto dataset = std::make_shared<FakeDataset>(101);
  for (const auto kind : {OrderKind::kGlobal, OrderKind::kWindow}) {
    const Order order(9, 101, kind);
    LoaderOptions options;
    options.global_batch = 12;
    Loader alone(dataset, order, options);
    const auto expected = take(alone, 30);
    for (const int ranks : {2, 4}) {
      options.ranks = ranks;
      std::vector<std::vector<Delivered>> shares;
      for (int rank = 0; rank < ranks; ++rank) {
        options.rank = rank;
        Loader loader(dataset, order, options);
        shares.push_back(take(loader, 30));
      }
      for (std::size_t step = 0; step < 30; ++step) {
        std::vector<at::Tensor> pixels;
        std::vector<at::Tensor> labels;
        for (const auto& share : shares) {
          pixels.push_back(share[step].pixels);
          labels.push_back(share[step].labels);
        }
        EXPECT_TRUE(at::equal(at::cat(pixels), expected[step].pixels)) << ranks << " ranks";
        EXPECT_TRUE(at::equal(at::cat(labels), expected[step].labels)) << ranks << " ranks";
      }
    }
  }
}

// Images of 600 KB are read in pieces of one, those of 48 bytes a batch at a time.
TEST(Loader, ThreadsAndDepthChangeNothing) {
  for (const std::int64_t side : {4, 450}) {
    const auto dataset = std::make_shared<FakeDataset>(23, side);
    const Order order(1, 23, OrderKind::kGlobal);
    LoaderOptions options;
    options.global_batch = 5;
    options.depth = 1;
    Loader plain(dataset, order, options);
    const auto expected = take(plain, 12);
    for (const std::int64_t threads : {1, 2, 5}) {
      for (const std::int64_t depth : {1, 2, 7}) {
        options.threads = threads;
        options.depth = depth;
        Loader loader(dataset, order, options);
        expect_equal(take(loader, 12), expected);
      }
    }
  }
}

TEST(Loader, ContinuesWhereAnotherStopped) {
  const auto dataset = std::make_shared<FakeDataset>(29);
  const Order order(2, 29, OrderKind::kWindow);
  LoaderOptions options;
  options.global_batch = 4;
  Loader whole(dataset, order, options);
  const auto expected = take(whole, 40);
  for (const std::int64_t first : {1, 7, 33}) {
    options.first_step = first;
    Loader resumed(dataset, order, options);
    EXPECT_EQ(resumed.next().step, first);
    expect_equal(take(resumed, static_cast<int>(39 - first)),
                 {expected.begin() + first + 1, expected.end()});
  }
}

TEST(Loader, BatchesLargerThanTheDataSet) {
  const auto dataset = std::make_shared<FakeDataset>(3);
  LoaderOptions options;
  options.global_batch = 9;
  Loader loader(dataset, Order(1, 3, OrderKind::kGlobal), options);
  const auto labels = loader.next().labels;
  EXPECT_EQ(at::eq(labels, -1).sum().item().toLong(), 3);
  EXPECT_EQ(at::eq(labels, 0).sum().item().toLong(), 3);
  EXPECT_EQ(at::eq(labels, 1).sum().item().toLong(), 3);
}

TEST(Loader, BatchIsValidUntilTheNextCall) {
  const auto dataset = std::make_shared<FakeDataset>(64);
  LoaderOptions options;
  options.depth = 2;
  Loader loader(dataset, Order(1, 64, OrderKind::kGlobal), options);
  for (int i = 0; i < 10; ++i) {
    const Batch& batch = loader.next();
    const auto before = batch.pixels.clone();
    std::this_thread::sleep_for(5ms);  // enough for the thread to fill the ring
    EXPECT_TRUE(at::equal(before, batch.pixels));
  }
}

// Reads `steps` batches of 4 from 10 images and returns the number of verified reads.
std::uint64_t verified_reads(Verify verify, std::int64_t first_step, int steps) {
  const auto dataset = std::make_shared<FakeDataset>(10);
  LoaderOptions options;
  options.global_batch = 4;
  options.verify = verify;
  options.first_step = first_step;
  options.depth = 1;  // nothing is read ahead
  Loader loader(dataset, Order(1, 10, OrderKind::kGlobal), options);
  for (int i = 0; i < steps; ++i) static_cast<void>(loader.next());
  EXPECT_EQ(dataset->reads(), static_cast<std::uint64_t>(4 * steps));
  return dataset->verified();
}

TEST(Loader, VerifiesAsConfigured) {
  EXPECT_EQ(verified_reads(Verify::kOff, 0, 6), 0U);
  EXPECT_EQ(verified_reads(Verify::kAlways, 0, 6), 24U);
  EXPECT_EQ(verified_reads(Verify::kFirstEpoch, 0, 6), 10U);
  EXPECT_EQ(verified_reads(Verify::kFirstEpoch, 2, 4), 2U);  // positions 8 and 9
  EXPECT_EQ(verified_reads(Verify::kFirstEpoch, 3, 4), 0U);
}

TEST(Loader, HintsAheadInTheOrderOfReading) {
  const auto dataset = std::make_shared<FakeDataset>(1000);
  const Order order(3, 1000, OrderKind::kGlobal);
  LoaderOptions options;
  options.global_batch = 8;
  options.ranks = 2;
  options.rank = 1;
  options.depth = 2;
  Loader loader(dataset, order, options);
  for (int i = 0; i < 20; ++i) static_cast<void>(loader.next());
  const auto hinted = dataset->hinted();
  ASSERT_GE(hinted.size(), 21U * 4);
  for (std::size_t i = 0; i < hinted.size(); ++i) {
    ASSERT_EQ(hinted[i], order.image_at(i / 4 * 8 + 4 + i % 4)) << i;
  }
}

// Steps of one image each, so that the hinted images are those of the steps.
TEST(Loader, FewHintsWhileImagesAreInMemory) {
  const auto dataset = std::make_shared<FakeDataset>(4000);
  const Order order(3, 4000, OrderKind::kGlobal);
  constexpr std::int64_t kMissing = 2000;  // a multiple of 8: a step that is asked in any case
  dataset->is_missing = [&](std::uint64_t index) { return index == order.image_at(kMissing); };
  LoaderOptions options;
  options.global_batch = 1;
  Loader loader(dataset, order, options);
  for (int i = 0; i < 3500; ++i) static_cast<void>(loader.next());

  std::vector<std::uint64_t> expected;
  for (std::int64_t step = 0; step < 3500; ++step) {
    const bool all = step < 1024 || (step > kMissing && step <= kMissing + 1024);
    if (all || step % 8 == 0) expected.push_back(order.image_at(static_cast<std::uint64_t>(step)));
  }
  auto hinted = dataset->hinted();
  ASSERT_GE(hinted.size(), expected.size());
  hinted.resize(expected.size());
  EXPECT_EQ(hinted, expected);
}

TEST(Loader, RejectsInvalidOptions) {
  const auto dataset = std::make_shared<FakeDataset>(16);
  const Order order(1, 16, OrderKind::kGlobal);
  const auto make = [&](const std::function<void(LoaderOptions&)>& change) {
    LoaderOptions options;
    change(options);
    const Loader loader(dataset, order, options);
  };
  EXPECT_NO_THROW(make([](auto&) {}));
  EXPECT_THROW(make([](auto& o) { o.ranks = 3; }), std::logic_error);  // 16 images
  EXPECT_THROW(make([](auto& o) { o.global_batch = 0; }), std::logic_error);
  EXPECT_THROW(make([](auto& o) { o.ranks = 0; }), std::logic_error);
  EXPECT_THROW(make([](auto& o) { o.rank = 1; }), std::logic_error);
  EXPECT_THROW(make([](auto& o) { o.rank = -1; }), std::logic_error);
  EXPECT_THROW(make([](auto& o) { o.first_step = -1; }), std::logic_error);
  EXPECT_THROW(make([](auto& o) { o.depth = 0; }), std::logic_error);
  EXPECT_THROW(make([](auto& o) { o.threads = 0; }), std::logic_error);
  EXPECT_THROW(Loader(dataset, Order(1, 17, OrderKind::kGlobal), {}), std::logic_error);
  EXPECT_THROW(Loader(nullptr, order, {}), std::logic_error);
}

TEST(Loader, OutOfMemoryErrorNamesWaysToReduceMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer ends the process when memory is refused";
#endif
  const auto dataset = std::make_shared<FakeDataset>(16, 1 << 20);  // 3 TiB per image
  LoaderOptions options;
  options.global_batch = 1024;
  try {
    const Loader loader(dataset, Order(1, 16, OrderKind::kGlobal), options);
    FAIL() << "no host has that much memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kOutOfMemory);
    const std::string message = error.what();
    EXPECT_NE(message.find("1024 images"), std::string::npos) << message;
    EXPECT_NE(message.find("smaller global batch"), std::string::npos) << message;
  }
}

TEST(Loader, PinsItsBuffersForCuda) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const auto dataset = std::make_shared<FakeDataset>(16);
  LoaderOptions options;
  options.pinned = true;
  Loader loader(dataset, Order(1, 16, OrderKind::kGlobal), options);
  const Batch& batch = loader.next();
  EXPECT_TRUE(batch.pixels.is_pinned());
  EXPECT_TRUE(batch.labels.is_pinned());
}

TEST(Verify, IsReadFromItsNames) {
  EXPECT_EQ(parse_verify("off"), Verify::kOff);
  EXPECT_EQ(parse_verify("first-epoch"), Verify::kFirstEpoch);
  EXPECT_EQ(parse_verify("always"), Verify::kAlways);
  EXPECT_EQ(verify_names().size(), 3U);
  try {
    static_cast<void>(parse_verify("never"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "data.verify is \"never\"; it can be off, first-epoch, always");
  }
}

}  // namespace
}  // namespace valley
