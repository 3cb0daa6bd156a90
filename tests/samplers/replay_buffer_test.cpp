#include "samplers/replay_buffer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

namespace valley {
namespace {

constexpr std::int64_t kBufferChains = 2;
const ReplayShape kShape{2, 4, kBufferChains, 3, 3, 1};

ChainPlace buffer_place(std::int64_t position) {
  return {11, RandomStream::kLangevin, at::full({}, position, at::kLong), 0};
}

at::Tensor level(int byte) { return at::full({kBufferChains, 1, 3, 3}, (byte + 0.5) / 256); }

const at::Tensor kYes = at::full({}, true, at::kBool);
const at::Tensor kNo = at::full({}, false, at::kBool);

// Stores chains of one pixel level in both parts.
void take(ReplayBuffer& buffer, int byte, const at::Tensor& ok = kYes) {
  buffer.put(0, level(byte));
  buffer.put(1, level(byte + 100));
  buffer.commit(ok);
}

std::vector<int> levels(const at::Tensor& pixels) {
  std::vector<int> all;
  for (std::int64_t i = 0; i < pixels.size(0); ++i) all.push_back(pixels[i].max().item<int>());
  return all;
}

TEST(ReplayBuffer, ChainsStartFromNoiseWhileEmpty) {
  const ReplayBuffer buffer(kShape, 0.0, at::kCPU);
  const ReplayBuffer::Start start = buffer.draw(0, buffer_place(0), 200);
  EXPECT_EQ(start.restarted.sum().item<double>(), 200);
  EXPECT_NEAR(start.images.mean().item<double>(), 0.5, 0.02);
  EXPECT_NEAR(start.images.var().item<double>(), 1.0 / 12, 0.005);
}

TEST(ReplayBuffer, EachMicrobatchHasItsOwnRingBuffer) {
  ReplayBuffer buffer(kShape, 0.0, at::kCPU);
  for (int byte = 1; byte <= 3; ++byte) take(buffer, byte);  // six chains for four slots
  EXPECT_EQ(levels(buffer.slots()[0]), (std::vector<int>{3, 3, 2, 2}));
  EXPECT_EQ(levels(buffer.slots()[1]), (std::vector<int>{103, 103, 102, 102}));
  EXPECT_EQ(buffer.taken().item<std::int64_t>(), 6);
  EXPECT_EQ(levels(buffer.newest(0, 3)), (std::vector<int>{3, 3, 2}));
  EXPECT_EQ(levels(buffer.newest(0, 9)), (std::vector<int>{3, 3, 2, 2}));
}

TEST(ReplayBuffer, ChainsStartFromFilledSlotsOnly) {
  ReplayBuffer buffer(kShape, 0.0, at::kCPU);
  take(buffer, 1);
  const ReplayBuffer::Start start = buffer.draw(1, buffer_place(3), 100);
  EXPECT_EQ(start.restarted.sum().item<double>(), 0);
  const at::Tensor bytes = (start.images * 256).floor();
  EXPECT_TRUE(bytes.eq(101).all().item<bool>());      // neither an empty slot nor another part's
  EXPECT_GT(start.images.std().item<double>(), 0.0);  // uniform within the level
}

TEST(ReplayBuffer, StoredPixelsStayInTheirLevel) {
  ReplayBuffer buffer({1, 256, 256, 1, 1, 1}, 0.0, at::kCPU);
  const at::Tensor put = at::arange(256).to(at::kFloat).view({256, 1, 1, 1}) / 255;  // 0 .. 1
  buffer.put(0, put);
  buffer.commit(kYes);
  for (int i = 0; i < 256; ++i)
    EXPECT_EQ(buffer.slots()[0][i].item<int>(), std::min(255, i * 256 / 255)) << i;
}

TEST(ReplayBuffer, RestartsTheGivenShareOfChains) {
  ReplayBuffer buffer(kShape, 0.05, at::kCPU);
  take(buffer, 1);
  EXPECT_NEAR(buffer.draw(0, buffer_place(0), 20000).restarted.mean().item<double>(), 0.05, 0.006);
}

TEST(ReplayBuffer, DrawsSlotsUniformly) {
  ReplayBuffer buffer(kShape, 0.0, at::kCPU);
  for (const int byte : {10, 20, 30}) take(buffer, byte);
  const at::Tensor bytes = (buffer.draw(0, buffer_place(0), 10000).images * 256).floor();
  EXPECT_NEAR(bytes.eq(20).to(at::kFloat).mean().item<double>(), 0.5, 0.02);
  EXPECT_NEAR(bytes.eq(30).to(at::kFloat).mean().item<double>(), 0.5, 0.02);
}

TEST(ReplayBuffer, RejectedStepDoesNotChangeTheBuffer) {
  ReplayBuffer buffer(kShape, 0.0, at::kCPU);
  take(buffer, 1);
  const at::Tensor before = buffer.slots().clone();
  take(buffer, 2, kNo);
  EXPECT_TRUE(at::equal(buffer.slots(), before));
  EXPECT_EQ(buffer.taken().item<std::int64_t>(), kBufferChains);
}

TEST(ReplayBuffer, DrawsDependOnPositionOnly) {
  ReplayBuffer buffer(kShape, 0.5, at::kCPU);
  take(buffer, 1);
  const at::Tensor all = buffer.draw(0, buffer_place(4), 6).images;
  ChainPlace later = buffer_place(4);
  later.offset = 4;
  EXPECT_TRUE(at::equal(all.narrow(0, 4, 2), buffer.draw(0, later, 2).images));
}

}  // namespace
}  // namespace valley
