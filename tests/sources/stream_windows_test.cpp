#include "sources/stream_windows.h"

#include <gtest/gtest.h>

#include <thread>

namespace valley {
namespace {

// Members "0", "1", ... of a stream, of which the number of passes is counted.
class Numbers final : public MemberStream {
 public:
  explicit Numbers(std::uint64_t count) : count_(count) {}
  [[nodiscard]] bool next() override { return ++at_ <= count_; }
  [[nodiscard]] std::optional<Reject> read(std::string& content) override {
    content = std::to_string(at_ - 1);
    return std::nullopt;
  }

 private:
  std::uint64_t count_;
  std::uint64_t at_ = 0;
};

class Windows : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kCount = 20;
  static constexpr std::uint64_t kBytes = 10;  // of a member, as its place says

  StreamWindows windows(std::uint64_t budget) {
    std::vector<StreamPlace> places;
    for (std::uint64_t i = 0; i < kCount; ++i) places.push_back({kCount - 1 - i, kBytes});
    return StreamWindows(
        [this] {
          ++passes_;
          return std::make_unique<Numbers>(kCount);
        },
        std::move(places), budget);
  }
  // Member i is at rank kCount - 1 - i.
  static std::string expected(std::uint64_t index) { return std::to_string(kCount - 1 - index); }

  int passes_ = 0;
};

TEST_F(Windows, AnOrderWithinTheBudgetTakesOnePass) {
  StreamWindows all = windows(kCount * kBytes);
  const ReadingOrder order{[](std::uint64_t p) { return p * 7 % kCount; }, 0, kCount};
  EXPECT_EQ(all.passes(order), 1);
  all.expect(order);
  for (std::uint64_t p = 0; p < kCount; ++p) {
    std::string content;
    ASSERT_FALSE(all.take(order.at(p), content));
    EXPECT_EQ(content, expected(order.at(p)));
  }
  EXPECT_EQ(passes_, 1);
}

TEST_F(Windows, TheOrderOfTheStreamTakesOnePassForAnyBudget) {
  StreamWindows all = windows(3 * kBytes);
  const ReadingOrder order{[](std::uint64_t p) { return kCount - 1 - p; }, 0, kCount};
  EXPECT_EQ(all.passes(order), 1);
  all.expect(order);
  std::string content;
  for (std::uint64_t p = 0; p < kCount; ++p) ASSERT_FALSE(all.take(order.at(p), content));
  EXPECT_EQ(passes_, 1);
}

TEST_F(Windows, AnotherOrderTakesAPassPerWindow) {
  StreamWindows all = windows(5 * kBytes);
  const ReadingOrder order{[](std::uint64_t p) { return p; }, 0, kCount};
  EXPECT_EQ(all.passes(order), 4);
  all.expect(order);
  std::string content;
  for (std::uint64_t p = 0; p < kCount; ++p) ASSERT_FALSE(all.take(p, content));
  EXPECT_EQ(passes_, 4);
}

TEST_F(Windows, ThreadsGetTheirOwnMembers) {
  StreamWindows all = windows(4 * kBytes);
  all.expect({[](std::uint64_t p) { return p; }, 0, kCount});
  std::vector<std::string> found(kCount);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = t; i < kCount; i += 4) static_cast<void>(all.take(i, found[i]));
    });
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t i = 0; i < kCount; ++i) EXPECT_EQ(found[i], expected(i));
}

TEST_F(Windows, MembersOutsideOfTheOrderTakeAPassOfTheirOwn) {
  StreamWindows all = windows(kBytes / 2);  // every member is larger than the budget
  all.expect({[](std::uint64_t p) { return p; }, 0, kCount});
  std::string content;
  ASSERT_FALSE(all.take(3, content));
  EXPECT_EQ(content, expected(3));
  ASSERT_FALSE(all.take(4, content));
  EXPECT_EQ(passes_, 2);
}

}  // namespace
}  // namespace valley
