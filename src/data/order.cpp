#include "data/order.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "core/config.h"
#include "core/error.h"
#include "core/hash.h"

namespace valley {

std::vector<std::string> order_names() { return {"global", "window"}; }

OrderKind parse_order(const std::string& name) {
  return static_cast<OrderKind>(choice_of(name, order_names(), "data.order"));
}

namespace {

constexpr unsigned kRounds = 8;
constexpr std::uint64_t kBlock = 32;          // images
constexpr std::uint64_t kWindow = 16 * 1024;  // images, approximately

// Third argument of hash64: use of the key. Values are part of the meaning of a seed.
enum Stage : std::uint64_t {
  kGlobalStage = 0,
  kBlockStage = 1,
  kRotationStage = 2,
  kFirstWindowStage = 3,  // window w has kFirstWindowStage + w
};

constexpr std::uint64_t kShareUnit = std::uint64_t{1} << 20U;

// Number of the first `positions` positions that a part with this share has.
std::uint64_t count_of(std::uint64_t share, std::uint64_t positions) {
  return positions / kShareUnit * share + positions % kShareUnit * share / kShareUnit;
}

// With fewer bits per half, eight rounds measurably favor some orders of a few images.
constexpr unsigned kMinHalfBits = 4;

// The smallest b with 2^(2b) >= n.
unsigned half_bits_for(std::uint64_t n) {
  const auto bits = static_cast<unsigned>(std::bit_width(n - 1));
  return std::max(kMinHalfBits, (bits + 1) / 2);
}

// Divides `blocks` into windows that differ by at most one block, the larger ones first.
struct WindowSpan {
  std::uint64_t index;
  std::uint64_t first_block;
  std::uint64_t blocks;
  bool is_last;
};
WindowSpan window_of_block(std::uint64_t block, std::uint64_t blocks) {
  constexpr std::uint64_t kBlocks = kWindow / kBlock;
  const std::uint64_t windows = std::max<std::uint64_t>(1, (blocks + kBlocks / 2) / kBlocks);
  const std::uint64_t small = blocks / windows;
  const std::uint64_t larger_ones = blocks % windows;
  const std::uint64_t in_larger_ones = larger_ones * (small + 1);
  if (block < in_larger_ones) {
    const std::uint64_t index = block / (small + 1);
    return {index, index * (small + 1), small + 1, index + 1 == windows};
  }
  const std::uint64_t index = larger_ones + (block - in_larger_ones) / small;
  return {index, in_larger_ones + (index - larger_ones) * small, small, index + 1 == windows};
}

}  // namespace

FeistelPermutation::FeistelPermutation(std::uint64_t n, std::uint64_t key) : n_(n), key_(key) {
  VALLEY_CHECK(n >= 1);
  half_bits_ = half_bits_for(n);
}

std::uint64_t FeistelPermutation::operator()(std::uint64_t index) const {
  VALLEY_CHECK(index < n_);
  if (n_ == 1) return 0;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  // The network permutes [0, 2^(2 half_bits)), a superset of [0, n). Cycle walking: repeating it
  // until the result is below n (which happens, as its cycle contains `index`) permutes [0, n).
  do {
    std::uint64_t left = index >> half_bits_;
    std::uint64_t right = index & mask;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      // Halves have at most 32 bits, so the round number fits into the upper word.
      const std::uint64_t mixed = mix64(key_ ^ (round << 32U) ^ right);
      left = std::exchange(right, left ^ (mixed & mask));
    }
    index = (left << half_bits_) | right;
  } while (index >= n_);
  return index;
}

Order::Order(std::uint64_t seed, std::uint64_t n, OrderKind kind)
    : seed_(seed), n_(n), kind_(kind) {
  VALLEY_CHECK(n >= 1);
}

struct Order::Part {
  Order order;
  std::uint64_t first_image;
  std::uint64_t share;
};

Order::Order(std::uint64_t seed, const std::vector<OrderPart>& parts, OrderKind kind)
    : seed_(seed), n_(0), kind_(kind) {
  auto mixed = std::make_shared<std::vector<Part>>();
  double left = 0;
  for (const OrderPart& part : parts) left += part.weight;
  for (const OrderPart& part : parts) {
    const double share = std::round(static_cast<double>(kShareUnit) * part.weight / left);
    left -= part.weight;
    mixed->push_back(
        {Order(hash64(seed, hash64("mixture"), mixed->size()), part.images, kind), n_,
         static_cast<std::uint64_t>(std::clamp(share, 1.0, static_cast<double>(kShareUnit - 1)))});
    n_ += part.images;
  }
  VALLEY_CHECK(n_ >= 1);
  if (parts.size() > 1) parts_ = std::move(mixed);
}

Order::Draw Order::draw_at(std::uint64_t position) const {
  const Part& last = parts_->back();
  for (const Part& part : *parts_) {
    if (&part == &last) break;
    const std::uint64_t before = count_of(part.share, position);
    if (count_of(part.share, position + 1) > before) return {&part, before};
    position -= before;
  }
  return {&last, position};
}

bool Order::is_first_pass(std::uint64_t position) const {
  if (!parts_) return position < n_;
  const Draw draw = draw_at(position);
  return draw.part->order.is_first_pass(draw.position);
}

std::uint64_t Order::image_at(std::uint64_t position) const {
  if (parts_) {
    const Draw draw = draw_at(position);
    return draw.part->first_image + draw.part->order.image_at(draw.position);
  }
  const std::uint64_t epoch = position / n_;
  const std::uint64_t index = position % n_;
  if (kind_ == OrderKind::kWindow) return windowed(epoch, index);
  return FeistelPermutation(n_, hash64(seed_, epoch, kGlobalStage))(index);
}

// The images are rotated and divided into whole blocks and a shorter remainder. Whole blocks are
// permuted and the remainder stays last; because of the rotation it consists of other images in
// each epoch.
std::uint64_t Order::windowed(std::uint64_t epoch, std::uint64_t index) const {
  const std::uint64_t blocks = n_ / kBlock;
  const std::uint64_t rotation = hash64(seed_, epoch, kRotationStage) % n_;

  // Index in the sequence of permuted blocks, within the same window.
  const std::uint64_t cut = std::max<std::uint64_t>(1, blocks);
  const auto window = window_of_block(std::min(index / kBlock, cut - 1), cut);
  const std::uint64_t first = window.first_block * kBlock;
  const std::uint64_t images = window.is_last ? n_ - first : window.blocks * kBlock;
  const std::uint64_t key = hash64(seed_, epoch, kFirstWindowStage + window.index);
  const std::uint64_t place = first + FeistelPermutation(images, key)(index - first);

  std::uint64_t block = place / kBlock;
  if (block < blocks) {
    block = FeistelPermutation(blocks, hash64(seed_, epoch, kBlockStage))(block);
  }
  const std::uint64_t rotated = block * kBlock + place % kBlock;
  return rotated < n_ - rotation ? rotated + rotation : rotated - (n_ - rotation);
}

}  // namespace valley
