#include "tools/hash_search.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <mutex>
#include <utility>

#include "core/hash.h"
#include "tools/parallel_images.h"

namespace valley {
namespace {

using Pair = std::pair<std::uint32_t, std::uint32_t>;

constexpr std::size_t kTables = 16;
constexpr std::size_t kMaxProbeBits = 3;   // unsure bits of a key that are tried both ways
constexpr std::ptrdiff_t kMaxBucket = 32;  // neighbors on each side that are compared

// Numbers of the bits that are stable enough for keys: frequencies below 10 with u + v <= 11.
std::vector<std::size_t> stable_bits() {
  std::vector<std::size_t> bits;
  for (std::size_t v = 0; v < 10; ++v)
    for (std::size_t u = 0; u < 10; ++u)
      if (u + v > 0 && u + v <= 11) bits.push_back(v * PerceptualHash::kSide + u);
  return bits;
}

class HashTable {
 public:
  // Table number `number`: its bits are a pseudo-random choice.
  HashTable(const std::vector<PerceptualHash>& hashes, std::size_t number, std::size_t key_bits)
      : hashes_(hashes), bits_(stable_bits()) {
    const auto key = [number](std::size_t bit) { return hash64(number, bit, 0); };
    std::ranges::sort(bits_, {}, key);
    bits_.resize(std::min(key_bits, bits_.size()));
    entries_.reserve(hashes.size());
    for (std::uint32_t i = 0; i < hashes.size(); ++i) entries_.push_back({key_of(hashes[i]), i});
    std::ranges::sort(entries_, [&](const Entry& a, const Entry& b) { return is_before(a, b); });
  }

  void add_pairs(const SearchLimits& limits, std::vector<Pair>& pairs) const {
    for (std::uint32_t i = 0; i < hashes_.size(); ++i) {
      const PerceptualHash& hash = hashes_[i];
      const std::uint32_t key = key_of(hash);
      std::vector<std::size_t> unsure;
      for (std::size_t b = 0; b < bits_.size() && unsure.size() < kMaxProbeBits; ++b)
        if (hash.is_unsure(bits_[b])) unsure.push_back(b);
      for (std::uint32_t probe = 0; probe < 1U << unsure.size(); ++probe) {
        std::uint32_t flipped = key;
        for (std::size_t u = 0; u < unsure.size(); ++u)
          if ((probe >> u & 1U) != 0) flipped ^= 1U << unsure[u];
        look_up(flipped, i, limits, pairs);
      }
    }
  }

 private:
  struct Entry {
    std::uint32_t key = 0;
    std::uint32_t index = 0;
  };
  [[nodiscard]] std::uint32_t key_of(const PerceptualHash& hash) const {
    std::uint32_t key = 0;
    for (std::size_t b = 0; b < bits_.size(); ++b)
      key |= static_cast<std::uint32_t>(hash.bit(bits_[b])) << b;
    return key;
  }
  [[nodiscard]] bool is_before(const Entry& a, const Entry& b) const {
    if (a.key != b.key) return a.key < b.key;
    if (hashes_[a.index].bits != hashes_[b.index].bits)
      return hashes_[a.index].bits < hashes_[b.index].bits;
    return a.index < b.index;
  }
  void look_up(std::uint32_t key, std::uint32_t i, const SearchLimits& limits,
               std::vector<Pair>& pairs) const {
    const auto [first, last] = std::ranges::equal_range(entries_, key, {}, &Entry::key);
    auto begin = first;
    auto end = last;
    if (last - first > 2 * kMaxBucket) {
      const Entry own{key, i};
      const auto middle = std::lower_bound(
          first, last, own, [&](const Entry& a, const Entry& b) { return is_before(a, b); });
      begin = middle - std::min(kMaxBucket, middle - first);
      end = middle + std::min(kMaxBucket, last - middle);
    }
    for (auto entry = begin; entry != end; ++entry) {
      const std::uint32_t j = entry->index;
      if (j == i || bit_distance(hashes_[i], hashes_[j]) > limits.max_bits ||
          cell_distance(hashes_[i], hashes_[j]) > limits.max_cell_distance)
        continue;
      pairs.emplace_back(std::min(i, j), std::max(i, j));
    }
  }

  const std::vector<PerceptualHash>& hashes_;
  std::vector<std::size_t> bits_;
  std::vector<Entry> entries_;
};

void sort_unique(std::vector<Pair>& pairs) {
  std::ranges::sort(pairs);
  const auto repeated = std::ranges::unique(pairs);
  pairs.erase(repeated.begin(), repeated.end());
}

}  // namespace

std::vector<Pair> similar_pairs(const std::vector<PerceptualHash>& hashes,
                                const SearchLimits& limits, unsigned jobs) {
  // About one hash per key: fewer bits miss less, more compare less.
  const std::size_t key_bits =
      std::clamp<std::size_t>(static_cast<std::size_t>(std::bit_width(hashes.size())), 10, 24);
  std::mutex mutex;
  std::vector<Pair> pairs;
  for_each_image(jobs, kTables, [&](std::uint64_t number) {
    std::vector<Pair> found;
    HashTable(hashes, number, key_bits).add_pairs(limits, found);
    sort_unique(found);
    const std::lock_guard lock(mutex);
    std::vector<Pair> both;
    std::ranges::set_union(pairs, found, std::back_inserter(both));
    pairs = std::move(both);
  });
  return pairs;
}

}  // namespace valley
