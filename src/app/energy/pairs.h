// Pairs of images whose energies are compared. If the model is a density,
// log(p(x) / p(y)) = E(y) - E(x), because the normalizer is the same for both images.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate/labeled_images.h"

namespace valley::app {

struct EnergyPair {
  std::uint64_t first = 0;   // position of an image in the first set
  std::uint64_t second = 0;  // position of an image in the last set, which may be the first one
  double difference = 0;     // E(second) - E(first)
};

// Indices of two images, as given on the command line.
struct IndexPair {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};
// "3,17". Error kUsage for anything else.
[[nodiscard]] IndexPair parse_pair(const std::string& text);

// Position among `images` of the image with this index. Error kUsage naming `set` if it is absent.
[[nodiscard]] std::uint64_t find_position(std::uint64_t index, const LabeledImages& images,
                                          const std::string& set);

// `count` distinct random pairs of one out of `first` and one out of `second` images; all pairs if
// there are fewer.
[[nodiscard]] std::vector<EnergyPair> draw_pairs_between(std::uint64_t count, std::uint64_t first,
                                                         std::uint64_t second, std::uint64_t seed);
// The same for unordered pairs of two different images out of `images`.
[[nodiscard]] std::vector<EnergyPair> draw_pairs_within(std::uint64_t count, std::uint64_t images,
                                                        std::uint64_t seed);

}  // namespace valley::app
