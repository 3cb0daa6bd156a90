#include "app/energy/pairs.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/hash.h"
#include "core/numbers.h"
#include "data/order.h"

namespace valley::app {
namespace {

std::uint64_t parse_index(std::string_view text, const std::string& all) {
  const auto value = parse_number<std::uint64_t>(text);
  if (!value)
    throw Error(ExitCode::kUsage, "--pair {}: write the indices of two images as I,J, such as 3,17",
                all);
  return *value;
}

FeistelPermutation pair_order(std::uint64_t pairs, std::uint64_t seed) {
  return {pairs, hash64(seed, hash64("valley energy --pairs"), pairs)};
}

}  // namespace

IndexPair parse_pair(const std::string& text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::string_view all = text;
  return {parse_index(all.substr(0, comma), text),
          parse_index(all.substr(std::min(comma + 1, all.size())), text)};
}

std::uint64_t find_position(std::uint64_t index, const LabeledImages& images,
                            const std::string& set) {
  // Binary search: indices ascend.
  std::uint64_t low = 0;
  std::uint64_t high = images.size();
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (images.index(middle) < index) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low < images.size() && images.index(low) == index) return low;
  throw Error(ExitCode::kUsage,
              "--pair: image {} is not among the {} images of {}; indices start at 0", index,
              images.size(), set);
}

std::vector<EnergyPair> draw_pairs_between(std::uint64_t count, std::uint64_t first,
                                           std::uint64_t second, std::uint64_t seed) {
  const std::uint64_t all = first * second;
  const FeistelPermutation order = pair_order(all, seed);
  std::vector<EnergyPair> pairs;
  for (std::uint64_t i = 0; i < std::min(count, all); ++i)
    pairs.push_back({order(i) / second, order(i) % second, 0});
  return pairs;
}

std::vector<EnergyPair> draw_pairs_within(std::uint64_t count, std::uint64_t images,
                                          std::uint64_t seed) {
  // On a circle of n images, pairing each image with its k-th successor for k = 1 .. (n - 1) / 2
  // gives each pair once; for even n, half of the images are also paired with the opposite one.
  std::vector<EnergyPair> pairs;
  if (images < 2) return pairs;
  const std::uint64_t all = images * (images - 1) / 2;
  const FeistelPermutation order = pair_order(all, seed);
  for (std::uint64_t i = 0; i < std::min(count, all); ++i) {
    const std::uint64_t number = order(i);
    const std::uint64_t first = number % images;
    pairs.push_back({first, (first + 1 + number / images) % images, 0});
  }
  return pairs;
}

}  // namespace valley::app
