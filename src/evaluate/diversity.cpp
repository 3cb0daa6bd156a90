#include "evaluate/diversity.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "evaluate/ms_ssim.h"
#include "evaluate/random.h"

namespace valley {
namespace {

constexpr double kDiversityMax = 255;

// pixels: uint8 [n, ...], contiguous.
double rms_difference(const at::Tensor& pixels, std::int64_t i, std::int64_t j) {
  const std::int64_t size = pixels.numel() / pixels.size(0);
  const std::uint8_t* a = pixels.const_data_ptr<std::uint8_t>() + i * size;
  const std::uint8_t* b = pixels.const_data_ptr<std::uint8_t>() + j * size;
  std::int64_t sum = 0;
  for (std::int64_t k = 0; k < size; ++k) {
    const int difference = a[k] - b[k];
    sum += difference * difference;
  }
  return std::sqrt(static_cast<double>(sum) / static_cast<double>(size)) / kDiversityMax;
}

struct Pair {
  double ms_ssim = -1;  // negative: not computed yet
  double distance = 0;
};

}  // namespace

Diversity diversity(const Team& team, const ImageSet& set, std::uint64_t seed) {
  // Pairs of an incomplete last block would have too much weight.
  const std::int64_t blocks = std::max<std::int64_t>(1, set.images() / kBlockImages);
  const Share share = team.share(blocks);
  const at::Tensor sums = at::zeros({share.count(), 2}, at::kDouble);
  for_each_unit(team, "pairs", share, [&](std::int64_t block) {
    const at::Tensor pixels = set.block(block).contiguous();
    const std::int64_t n = pixels.size(0);
    const MsSsim ms_ssim(pixels);
    // A block has few pairs, and most of them are drawn several times.
    std::vector<Pair> pairs(static_cast<std::size_t>(n * n));
    auto* sum = sums.mutable_data_ptr<double>() + 2 * (block - share.first);
    for (std::int64_t pair = block; pair < kPairs; pair += blocks) {
      const PhiloxBlock numbers = draw(seed, Drawn::kPairing, static_cast<std::uint64_t>(pair));
      const std::int64_t i = below(numbers.word[0], n);
      const std::int64_t other = below(numbers.word[1], n - 1);
      const std::int64_t j = other + (other >= i ? 1 : 0);
      const auto [low, high] = std::minmax(i, j);
      Pair& known = pairs[static_cast<std::size_t>(low * n + high)];
      if (known.ms_ssim < 0)
        known = {ms_ssim.similarity(low, high), rms_difference(pixels, low, high)};
      sum[0] += known.ms_ssim;
      sum[1] += known.distance;
    }
  });
  const at::Tensor all = gather_rows(team, sums, 1, blocks);
  const auto* values = all.const_data_ptr<double>();
  Diversity mean{0, 0};
  for (std::int64_t block = 0; block < blocks; ++block) {
    mean.ms_ssim += values[2 * block] / static_cast<double>(kPairs);
    mean.distance += values[2 * block + 1] / static_cast<double>(kPairs);
  }
  return mean;
}

}  // namespace valley
