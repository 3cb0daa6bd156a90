// Pairs of images whose energies are compared: log(p(x) / p(y)) = E(y) - E(x) where the model is a
// density. Its normaliser is the same for both, so that it need not be known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evaluate/labelled_images.h"

namespace valley::app {

struct EnergyPair {
  std::uint64_t first = 0;   // an image of the data, by its place among the energies
  std::uint64_t second = 0;  // likewise, or of the images that stand against the data
  double difference = 0;     // E(second) - E(first)
};

// "3,17". Error kUsage for anything else.
struct AskedPair {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};
[[nodiscard]] AskedPair parse_pair(const std::string& text);

// Where among `images` the one of this index is. Error kUsage naming `set` where it is not there.
[[nodiscard]] std::uint64_t place_of(std::uint64_t index, const LabelledImages& images,
                                     const std::string& set);

// `count` different pairs of one image out of `first` and one out of `second`, as a random order
// that `seed` keys has them; all of them where there are no more.
[[nodiscard]] std::vector<EnergyPair> draw_pairs_between(std::uint64_t count, std::uint64_t first,
                                                         std::uint64_t second, std::uint64_t seed);
// The same of two different images out of `images`, each two once.
[[nodiscard]] std::vector<EnergyPair> draw_pairs_within(std::uint64_t count, std::uint64_t images,
                                                        std::uint64_t seed);

}  // namespace valley::app
