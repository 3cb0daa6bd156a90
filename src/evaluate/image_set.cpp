#include "evaluate/image_set.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <cmath>

namespace valley {
namespace {

constexpr double kSetByteMax = 255;
constexpr std::int64_t kFeatureSide = 16;
constexpr std::int64_t kMaxChannels = 4;

}  // namespace

void ImageSet::keep(const Team& team, const std::string& task) {
  const Share share = team.share(blocks());
  std::vector<at::Tensor> drawn(static_cast<std::size_t>(share.count()));
  const auto draw_block = [&](std::int64_t index) {
    drawn[static_cast<std::size_t>(index - share.first)] = block(index);
  };
  if (source_.device().is_cuda()) {
    for_each_unit_in_order(team, task, share, draw_block);
  } else {
    for_each_unit(team, task, share, draw_block);
  }
  first_kept_ = share.first;
  kept_ = std::move(drawn);
}

at::Tensor ImageSet::block(std::int64_t index) const {
  const auto kept = static_cast<std::size_t>(index - first_kept_);
  if (index >= first_kept_ && kept < kept_.size()) return kept_[kept];
  return source_.pixels(static_cast<std::uint64_t>(index * kBlockImages),
                        images_in_block(images_, index));
}

at::Tensor gather_features(const Team& team, const std::string& task, const ImageSet& set,
                           const std::function<at::Tensor(const at::Tensor& pixels)>& features,
                           bool one_thread) {
  const Share share = team.share(set.blocks());
  std::vector<at::Tensor> parts(static_cast<std::size_t>(share.count()));
  const auto work = [&](std::int64_t index) {
    parts[static_cast<std::size_t>(index - share.first)] = features(set.block(index));
  };
  if (one_thread) {
    for_each_unit_in_order(team, task, share, work);
  } else {
    for_each_unit(team, task, share, work);
  }
  // A rank without blocks needs the number of columns.
  const at::Tensor own = parts.empty() ? features(set.block(0)).narrow(0, 0, 0) : at::cat(parts);
  return gather_rows(team, own.contiguous(), kBlockImages, set.images());
}

at::Tensor pixel_features(const at::Tensor& pixels) {
  at::Tensor x = pixels.permute({0, 3, 1, 2}).to(at::kFloat);
  while (std::min(x.size(2), x.size(3)) > kFeatureSide) {
    x = x.narrow(2, 0, x.size(2) / 2 * 2).narrow(3, 0, x.size(3) / 2 * 2);
    x = x.slice(2, 0, c10::nullopt, 2) + x.slice(2, 1, c10::nullopt, 2);
    x = x.slice(3, 0, c10::nullopt, 2) + x.slice(3, 1, c10::nullopt, 2);
  }
  return x.flatten(1).contiguous();
}

ChannelStatistics channel_statistics(const Team& team, const ImageSet& set) {
  const std::int64_t channels = set.block(0).size(3);
  std::atomic<std::int64_t> sums[kMaxChannels] = {};
  std::atomic<std::int64_t> squares[kMaxChannels] = {};
  std::atomic<std::int64_t> count = 0;  // pixels
  for_each_unit(team, "channels", team.share(set.blocks()), [&](std::int64_t index) {
    const at::Tensor pixels = set.block(index).contiguous();
    const auto* values = pixels.const_data_ptr<std::uint8_t>();
    std::int64_t sum[kMaxChannels] = {};
    std::int64_t square[kMaxChannels] = {};
    for (std::int64_t i = 0; i < pixels.numel(); i += channels) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t value = values[i + c];
        sum[c] += value;
        square[c] += value * value;
      }
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      sums[c] += sum[c];
      squares[c] += square[c];
    }
    count += pixels.numel() / channels;
  });
  const at::Tensor all = at::zeros({2 * kMaxChannels + 1}, at::kLong);
  auto* values = all.mutable_data_ptr<std::int64_t>();
  for (std::int64_t c = 0; c < kMaxChannels; ++c) {
    values[2 * c] = sums[c];
    values[2 * c + 1] = squares[c];
  }
  values[2 * kMaxChannels] = count;
  team.ranks->all_reduce(all, ReduceOp::kSum)->wait();
  ChannelStatistics statistics;
  const auto pixels = static_cast<double>(values[2 * kMaxChannels]);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double mean = static_cast<double>(values[2 * c]) / pixels;
    const double variance = static_cast<double>(values[2 * c + 1]) / pixels - mean * mean;
    statistics.mean.push_back(mean / kSetByteMax);
    statistics.deviation.push_back(std::sqrt(std::max(0.0, variance)) / kSetByteMax);
  }
  return statistics;
}

}  // namespace valley
