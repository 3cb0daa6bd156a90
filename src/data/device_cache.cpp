#include "data/device_cache.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "kernels/parallel.h"

namespace valley {
namespace {

// Size of the staging buffer: enough to keep all threads and the copy busy.
constexpr std::int64_t kStagedBytes = std::int64_t{64} << 20;

at::TensorOptions on_host(at::ScalarType type, bool pinned) {
  return at::TensorOptions().dtype(type).pinned_memory(pinned);
}

}  // namespace

void read_images(const Dataset& dataset, std::int64_t first, const at::Tensor& into, bool verify) {
  std::vector<std::uint64_t> images(static_cast<std::size_t>(into.size(0)));
  std::iota(images.begin(), images.end(), static_cast<std::uint64_t>(first));
  dataset.prefetch(images);
  const std::uint64_t bytes = dataset.image_bytes();
  auto* const pixels = into.mutable_data_ptr<std::uint8_t>();
  parallel_for(0, into.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::uint64_t>(begin); i < static_cast<std::uint64_t>(end); ++i)
      dataset.read(images[i], {pixels + i * bytes, bytes}, verify);
  });
}

std::int64_t cached_bytes(const Dataset& dataset) {
  return static_cast<std::int64_t>(dataset.size() * (dataset.image_bytes() + sizeof(std::int64_t)));
}

DeviceCache::DeviceCache(const std::shared_ptr<const Dataset>& dataset, const Order& order,
                         const LoaderOptions& options, at::Device device, const Gather& gather)
    : order_(order), options_(options), share_(options.global_batch / options.ranks) {
  VALLEY_CHECK(dataset != nullptr && order.size() == dataset->size());
  VALLEY_CHECK(options.global_batch % options.ranks == 0);
  batch_.step = options.first_step - 1;
  const auto n = static_cast<std::int64_t>(dataset->size());
  const at::Tensor labels = at::empty({n}, at::kLong);
  for (std::int64_t i = 0; i < n; ++i)
    labels.mutable_data_ptr<std::int64_t>()[i] = dataset->label(static_cast<std::uint64_t>(i));
  labels_ = labels.to(device);

  const auto images = [&](std::int64_t rows) {
    return at::empty({rows, dataset->height(), dataset->width(), dataset->channels()},
                     at::TensorOptions(device).dtype(at::kByte));
  };
  if (!gather) {
    pixels_ = images(n);
    fill(*dataset, 0, n, pixels_);
    return;
  }
  // Parts of equal size; the last ones may have fewer images.
  const std::int64_t part = (n + options.ranks - 1) / options.ranks;
  const std::int64_t first = std::min(n, part * options.rank);
  const at::Tensor all = images(part * options.ranks);
  const at::Tensor own = images(part);
  fill(*dataset, first, std::min(n, first + part) - first, own);
  gather(own, all.view({options.ranks, part, all.size(1), all.size(2), all.size(3)}));
  pixels_ = all.narrow(0, 0, n);
}

void DeviceCache::fill(const Dataset& dataset, std::int64_t first, std::int64_t n,
                       const at::Tensor& into) {
  if (n == 0) return;
  const auto image = std::max<std::int64_t>(1, static_cast<std::int64_t>(dataset.image_bytes()));
  const std::int64_t chunk = std::clamp<std::int64_t>(kStagedBytes / image, 1, n);
  const bool verify = options_.verify != Verify::kOff;
  const bool staged = !into.is_cpu();
  at::Tensor stage;
  if (staged) {
    stage = at::empty({chunk, into.size(1), into.size(2), into.size(3)},
                      on_host(at::kByte, options_.pinned));
  }
  for (std::int64_t done = 0; done < n; done += chunk) {
    const std::int64_t count = std::min(chunk, n - done);
    at::Tensor there = into.narrow(0, done, count);
    const at::Tensor here = staged ? stage.narrow(0, 0, count) : there;
    read_images(dataset, first + done, here, verify);
    if (staged) there.copy_(here);
  }
}

const Batch& DeviceCache::next() {
  ++batch_.step;
  batch_.first_position =
      static_cast<std::uint64_t>(batch_.step * options_.global_batch + options_.rank * share_);
  // Allocated each time: the allocator of pinned memory keeps it until its copy has finished.
  const at::Tensor images = at::empty({share_}, on_host(at::kLong, options_.pinned));
  auto* const index = images.mutable_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < share_; ++row) {
    index[row] = static_cast<std::int64_t>(
        order_.image_at(batch_.first_position + static_cast<std::uint64_t>(row)));
  }
  const at::Tensor there = images.to(pixels_.device(), /*non_blocking=*/true);
  batch_.pixels = at::index_select(pixels_, 0, there);
  batch_.labels = at::index_select(labels_, 0, there);
  return batch_;
}

}  // namespace valley
