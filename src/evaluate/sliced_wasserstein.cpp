#include "evaluate/sliced_wasserstein.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "evaluate/pyramid.h"
#include "evaluate/radix_sort.h"
#include "evaluate/random.h"

namespace valley {
namespace {

constexpr std::int64_t kPatchPixels = kPatchSide * kPatchSide;
constexpr std::int64_t kBlockPatches = kBlockImages * kPatchesPerImage;
constexpr std::int64_t kSlicesPerPass = 32;  // limits the memory of the projections
constexpr double kReportFactor = 1000;

// The upper left corner of a patch.
struct Corner {
  std::int64_t y, x;
};

Corner random_corner(std::uint64_t seed, std::int64_t image, std::int64_t patch, std::int64_t h,
                     std::int64_t w) {
  const PhiloxBlock numbers = draw(seed, Drawn::kPatches, static_cast<std::uint64_t>(image),
                                   static_cast<std::uint32_t>(patch / 2));
  const std::int64_t first = patch % 2 * 2;
  return {below(numbers.word[first], h - kPatchSide + 1),
          below(numbers.word[first + 1], w - kPatchSide + 1)};
}

// Isotropic random unit vectors: float [count, size].
at::Tensor directions(std::uint64_t seed, std::int64_t first, std::int64_t count,
                      std::int64_t size) {
  at::Tensor all = at::empty({count, size}, at::kFloat);
  std::vector<double> direction(static_cast<std::size_t>((size + 3) / 4 * 4));
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < direction.size(); j += 4) {
      const PhiloxBlock numbers =
          draw(seed, Drawn::kDirections, static_cast<std::uint64_t>(first + i),
               static_cast<std::uint32_t>(j / 4));
      std::tie(direction[j], direction[j + 1]) = normal_pair(numbers.word[0], numbers.word[1]);
      std::tie(direction[j + 2], direction[j + 3]) = normal_pair(numbers.word[2], numbers.word[3]);
    }
    double square = 0;
    for (std::int64_t j = 0; j < size; ++j)
      square += direction[static_cast<std::size_t>(j)] * direction[static_cast<std::size_t>(j)];
    float* row = all.mutable_data_ptr<float>() + i * size;
    for (std::int64_t j = 0; j < size; ++j)
      row[j] = static_cast<float>(direction[static_cast<std::size_t>(j)] / std::sqrt(square));
  }
  return all;
}

// Sum and sum of squares per channel: double [2 C].
at::Tensor channel_sums(const at::Tensor& patches, std::int64_t channels) {
  at::Tensor sums = at::zeros({2 * channels}, at::kDouble);
  auto* to = sums.mutable_data_ptr<double>();
  const float* values = patches.const_data_ptr<float>();
  for (std::int64_t row = 0; row < patches.size(0); ++row) {
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      double square = 0;
      for (std::int64_t i = 0; i < kPatchPixels; ++i) {
        const double value = *values++;
        sum += value;
        square += value * value;
      }
      to[2 * c] += sum;
      to[2 * c + 1] += square;
    }
  }
  return sums;
}

void standardize(const at::Tensor& patches, const std::vector<float>& means,
                 const std::vector<float>& scales) {
  auto* values = patches.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < patches.size(0); ++row) {
    for (std::size_t c = 0; c < means.size(); ++c) {
      for (std::int64_t i = 0; i < kPatchPixels; ++i, ++values)
        *values = (*values - means[c]) * scales[c];
    }
  }
}

// Projections of all ranks' patches on this rank's share of the directions: float [own, patches].
at::Tensor projections(const Team& team, const at::Tensor& patches, const at::Tensor& slices,
                       std::int64_t all_patches) {
  const std::int64_t own_patches = patches.size(0);
  const at::Tensor projected = at::empty({own_patches, slices.size(0)}, at::kFloat);
  const std::int64_t blocks = (own_patches + kBlockPatches - 1) / kBlockPatches;
  for_each_unit(team, "", {0, blocks}, [&](std::int64_t block) {
    const std::int64_t first = block * kBlockPatches;
    const std::int64_t count = std::min(kBlockPatches, own_patches - first);
    projected.narrow(0, first, count).copy_(at::mm(patches.narrow(0, first, count), slices.t()));
  });
  const at::Tensor all = gather_rows(team, projected, kBlockPatches, all_patches);
  const Share share = team.share(slices.size(0));
  return all.narrow(1, share.first, share.count()).t().contiguous();
}

std::span<float> get_row(const at::Tensor& rows, std::int64_t i) {
  const std::int64_t n = rows.size(1);
  return {rows.mutable_data_ptr<float>() + i * n, static_cast<std::size_t>(n)};
}

// Both samples are sorted and have the same size.
double wasserstein(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return sum / static_cast<double>(a.size());
}

}  // namespace

at::Tensor random_patches(const at::Tensor& images, std::uint64_t seed, std::int64_t first) {
  const std::int64_t n = images.size(0);
  const std::int64_t channels = images.size(1);
  const std::int64_t h = images.size(2);
  const std::int64_t w = images.size(3);
  VALLEY_CHECK(images.is_contiguous() && h >= kPatchSide && w >= kPatchSide);
  at::Tensor patches = at::empty({n * kPatchesPerImage, channels * kPatchPixels}, at::kFloat);
  auto* to = patches.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    const float* image = images.const_data_ptr<float>() + i * channels * h * w;
    for (std::int64_t patch = 0; patch < kPatchesPerImage; ++patch) {
      const Corner corner = random_corner(seed, first + i, patch, h, w);
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t y = 0; y < kPatchSide; ++y) {
          const float* row = image + (c * h + corner.y + y) * w + corner.x;
          to = std::copy_n(row, kPatchSide, to);
        }
      }
    }
  }
  return patches;
}

at::Tensor standard_patches(const Team& team, const ImageSet& set, std::uint64_t seed,
                            std::int64_t level, std::int64_t levels) {
  const Share share = team.share(set.blocks());
  const std::int64_t channels = set.block(0).size(3);
  const std::int64_t first_image = share.first * kBlockImages;
  const std::int64_t images =
      std::max<std::int64_t>(0, std::min(set.images(), share.last * kBlockImages) - first_image);
  const at::Tensor patches =
      at::empty({images * kPatchesPerImage, channels * kPatchPixels}, at::kFloat);
  const at::Tensor sums = at::zeros({share.count(), 2 * channels}, at::kDouble);
  const auto rows = [&](std::int64_t block) {
    return patches.narrow(0, (block - share.first) * kBlockPatches,
                          images_in_block(set.images(), block) * kPatchesPerImage);
  };
  for_each_unit(team, "patches", share, [&](std::int64_t block) {
    const at::Tensor images_of_level = laplacian_level(set.block(block), level, levels);
    rows(block).copy_(random_patches(images_of_level, seed, block * kBlockImages));
    sums[block - share.first].copy_(channel_sums(rows(block), channels));
  });
  const at::Tensor total = gather_rows(team, sums, 1, set.blocks());
  const auto* values = total.const_data_ptr<double>();
  std::vector<float> means;
  std::vector<float> scales;
  const auto count = static_cast<double>(set.images() * kPatchesPerImage * kPatchPixels);
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0;
    double square = 0;
    for (std::int64_t block = 0; block < set.blocks(); ++block) {
      sum += values[(block * channels + c) * 2];
      square += values[(block * channels + c) * 2 + 1];
    }
    const double mean = sum / count;
    const double variance = square / count - mean * mean;
    means.push_back(static_cast<float>(mean));
    // A constant channel becomes zero.
    scales.push_back(variance > 1e-12 * square / count ? static_cast<float>(1 / std::sqrt(variance))
                                                       : 1.0F);
  }
  for_each_unit(team, "", share,
                [&](std::int64_t block) { standardize(rows(block), means, scales); });
  return patches;
}

std::vector<double> sliced_distances(const Team& team, std::uint64_t seed,
                                     const at::Tensor& reference,
                                     const std::vector<at::Tensor>& others, std::int64_t images) {
  std::vector<double> distances(others.size(), 0.0);
  const auto sets = static_cast<std::int64_t>(others.size());
  for (std::int64_t first = 0; first < kSlices; first += kSlicesPerPass) {
    const at::Tensor slices = directions(seed, first, kSlicesPerPass, reference.size(1));
    const auto project = [&](const at::Tensor& patches) {
      return projections(team, patches, slices, images * kPatchesPerImage);
    };
    const at::Tensor base = project(reference);
    std::vector<at::Tensor> projected;
    for (const at::Tensor& patches : others) projected.push_back(project(patches));
    const at::Tensor own = at::empty({base.size(0), sets}, at::kDouble);
    for_each_unit(team, "", {0, base.size(0)}, [&](std::int64_t i) {
      std::vector<std::uint32_t> scratch;
      radix_sort(get_row(base, i), scratch);
      for (std::size_t s = 0; s < projected.size(); ++s) {
        radix_sort(get_row(projected[s], i), scratch);
        own.mutable_data_ptr<double>()[i * sets + static_cast<std::int64_t>(s)] =
            wasserstein(get_row(base, i), get_row(projected[s], i));
      }
    });
    const at::Tensor all = gather_rows(team, own, 1, kSlicesPerPass);
    for (std::int64_t i = 0; i < all.numel(); ++i)
      distances[static_cast<std::size_t>(i % sets)] += all.const_data_ptr<double>()[i];
    if (team.progress)
      team.progress("patches compared",
                    static_cast<double>(first + kSlicesPerPass) / static_cast<double>(kSlices));
  }
  for (double& distance : distances) distance *= kReportFactor / static_cast<double>(kSlices);
  return distances;
}

}  // namespace valley
