// Threads of the loader when reading fails, is slow or is interrupted.
#include <gtest/gtest.h>

#include <chrono>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "core/error.h"
#include "data/loader.h"
#include "fake_dataset.h"
#include "support/no_threads.h"

namespace valley {
namespace {

using namespace std::chrono_literals;

TEST(LoaderThreads, ErrorIsThrownInsteadOfItsBatch) {
  for (const std::int64_t threads : {1, 3}) {
    for (const std::int64_t side : {4, 450}) {
      const auto dataset = std::make_shared<FakeDataset>(30, side);
      const Order order(4, 30, OrderKind::kGlobal);
      const auto bad = order.image_at(6 * 3 + 1);
      dataset->on_read = [bad](std::uint64_t index) {
        if (index == bad) throw Error(ExitCode::kData, "shard-00000.h5 row {}: bytes differ", bad);
      };
      LoaderOptions options;
      options.global_batch = 3;
      options.threads = threads;
      options.depth = 4;
      Loader loader(dataset, order, options);
      for (std::int64_t step = 0; step < 6; ++step) ASSERT_EQ(loader.next().step, step);
      for (int again = 0; again < 3; ++again) {
        try {
          static_cast<void>(loader.next());
          FAIL() << "the error was lost";
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ExitCode::kData);
          EXPECT_EQ(std::string(error.what()),
                    "shard-00000.h5 row " + std::to_string(bad) + ": bytes differ");
        }
      }
      EXPECT_EQ(loader.counters().batches, 6U);
    }
  }
}

TEST(LoaderThreads, TheEarliestOfSeveralErrorsWins) {
  const auto dataset = std::make_shared<FakeDataset>(40);
  const Order order(4, 40, OrderKind::kGlobal);
  // The later error occurs immediately, the earlier one after a delay on another thread.
  const auto early = order.image_at(2 * 5);
  dataset->on_read = [&order, early](std::uint64_t index) {
    if (index == early) {
      std::this_thread::sleep_for(50ms);
      throw Error(ExitCode::kIo, "early");
    }
    for (std::uint64_t row = 0; row < 5; ++row) {
      if (index == order.image_at(3 * 5 + row)) throw Error(ExitCode::kData, "late");
    }
  };
  LoaderOptions options;
  options.global_batch = 5;
  options.threads = 2;
  Loader loader(dataset, order, options);
  static_cast<void>(loader.next());
  static_cast<void>(loader.next());
  try {
    static_cast<void>(loader.next());
    FAIL() << "the error was lost";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "early");
  }
}

TEST(LoaderThreads, OtherExceptionsAndErrorsOfHintsAreRethrown) {
  const auto dataset = std::make_shared<FakeDataset>(40);
  dataset->on_read = [](std::uint64_t) { throw std::bad_alloc(); };
  const Order order(4, 40, OrderKind::kGlobal);
  Loader loader(dataset, order, {});
  EXPECT_THROW(static_cast<void>(loader.next()), std::bad_alloc);

  const auto other = std::make_shared<FakeDataset>(40);
  other->on_prefetch = [] { throw std::runtime_error("no hints"); };
  Loader hinting(other, order, {});
  EXPECT_THROW(static_cast<void>(hinting.next()), std::runtime_error);
}

TEST(LoaderThreads, RefusedThreadsAreReported) {
  const auto dataset = std::make_shared<FakeDataset>(40);
  const Order order(4, 40, OrderKind::kGlobal);
  const NoThreads none;
  try {
    const Loader loader(dataset, order, {});
    FAIL() << "a thread was started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kOutOfMemory);
    EXPECT_NE(std::string(error.what()).find("a thread for reading batches"), std::string::npos);
  }
}

TEST(LoaderThreads, CountsBatchesAndBytes) {
  const auto dataset = std::make_shared<FakeDataset>(64);
  LoaderOptions options;
  options.global_batch = 8;
  options.ranks = 2;
  Loader loader(dataset, Order(1, 64, OrderKind::kGlobal), options);
  EXPECT_EQ(loader.counters().batches, 0U);
  for (int i = 0; i < 5; ++i) static_cast<void>(loader.next());
  const auto counters = loader.counters();
  EXPECT_EQ(counters.batches, 5U);
  EXPECT_EQ(counters.bytes, 5U * 4 * 48);
}

TEST(LoaderThreads, CountersDistinguishSlowReadersFromSlowCallers) {
  LoaderOptions options;
  options.global_batch = 2;
  options.depth = 4;
  const Order order(1, 64, OrderKind::kGlobal);
  const auto slow = std::make_shared<FakeDataset>(64);
  slow->on_read = [](std::uint64_t) { std::this_thread::sleep_for(5ms); };
  Loader starved(slow, order, options);
  for (int i = 0; i < 10; ++i) static_cast<void>(starved.next());
  EXPECT_GT(starved.counters().wait_seconds, 0.05);  // 10 batches of two images, 5 ms each
  EXPECT_LT(starved.counters().mean_queue_depth, 1.5);

  Loader idle(std::make_shared<FakeDataset>(64), order, options);
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(20ms);
    static_cast<void>(idle.next());
  }
  EXPECT_LT(idle.counters().wait_seconds, 0.05);
  EXPECT_GT(idle.counters().mean_queue_depth, 2);  // three or four of the ring
}

TEST(LoaderThreads, ReadsNoMoreThanTheRingHolds) {
  const auto dataset = std::make_shared<FakeDataset>(64);
  LoaderOptions options;
  options.global_batch = 2;
  options.depth = 3;
  options.threads = 2;
  Loader loader(dataset, Order(1, 64, OrderKind::kGlobal), options);
  const auto expect_to_stop_at = [&](std::uint64_t reads) {
    for (int i = 0; i < 1000 && dataset->reads() < reads; ++i) std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(dataset->reads(), reads);
  };
  expect_to_stop_at(3 * 2);
  static_cast<void>(loader.next());  // held: its slot is not free yet
  expect_to_stop_at(3 * 2);
  static_cast<void>(loader.next());
  expect_to_stop_at(4 * 2);
}

TEST(LoaderThreads, CanBeDestroyedAtAnyTime) {
  const Order order(1, 50, OrderKind::kGlobal);
  for (int run = 0; run < 200; ++run) {
    const auto dataset = std::make_shared<FakeDataset>(50);
    if (run % 4 == 1) {
      dataset->on_read = [](std::uint64_t) { std::this_thread::sleep_for(100us); };
    }
    if (run % 4 == 2) {
      dataset->on_read = [](std::uint64_t index) {
        if (index % 10 == 3) throw Error(ExitCode::kIo, "pending");
      };
    }
    LoaderOptions options;
    options.global_batch = 4;
    options.threads = 1 + run % 3;
    options.depth = 1 + run % 5;
    Loader loader(dataset, order, options);
    if (run % 4 == 3) std::this_thread::sleep_for(1ms);  // the ring is full
    try {
      for (int i = 0; i < run % 7; ++i) static_cast<void>(loader.next());
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "pending");
    }
  }
}

TEST(LoaderThreads, EndsPromptlyWithASlowReader) {
  const auto dataset = std::make_shared<FakeDataset>(1000);
  dataset->on_read = [](std::uint64_t) { std::this_thread::sleep_for(20ms); };
  LoaderOptions options;
  options.global_batch = 500;  // one piece, 10 seconds of reading
  options.threads = 2;
  const auto start = std::chrono::steady_clock::now();
  { const Loader loader(dataset, Order(1, 1000, OrderKind::kGlobal), options); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(LoaderThreads, KeepsTheDataSetAlive) {
  auto dataset = std::make_shared<FakeDataset>(16);
  Loader loader(std::move(dataset), Order(1, 16, OrderKind::kGlobal), {});
  EXPECT_EQ(loader.next().pixels.size(0), 16);
}

}  // namespace
}  // namespace valley
