// All pixels of a data set on a device, as bytes: batches are gathered there by index, so that
// training copies only indices. Batches are bitwise equal to those of a Loader with the same
// options.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "data/dataset.h"
#include "data/loader.h"
#include "data/order.h"

namespace valley {

// Reads images [first, first + into.size(0)) into `into`, uint8 [n, H, W, C] on the host, with the
// calling thread's intra-op threads. Errors of Dataset::read.
void read_images(const Dataset& dataset, std::int64_t first, const at::Tensor& into, bool verify);

// Size of the pixels and labels of `dataset` in bytes.
[[nodiscard]] std::int64_t cached_bytes(const Dataset& dataset);

class DeviceCache {
 public:
  // Collective: gathers `share` of all ranks, uint8 [n, H, W, C], into `all`, [ranks, n, H, W, C].
  using Gather = std::function<void(const at::Tensor& share, const at::Tensor& all)>;

  // Reads images with the calling thread's intra-op threads and compares checksums unless
  // options.verify is kOff. With `gather` each rank reads one part of the data set and receives the
  // others from other ranks (collective); without, it reads all images. `order` has dataset->size()
  // images; global_batch is a multiple of `ranks`. Errors of Dataset::read; c10's error if memory
  // runs out.
  DeviceCache(const std::shared_ptr<const Dataset>& dataset, const Order& order,
              const LoaderOptions& options, at::Device device, const Gather& gather = {});

  // Batch of the next step, on the device, for work on the calling thread's current stream; valid
  // until the next call. Never waits for the device.
  [[nodiscard]] const Batch& next();

 private:
  // Reads images [first, first + n) into the first n rows of `into`.
  void fill(const Dataset& dataset, std::int64_t first, std::int64_t n, const at::Tensor& into);

  Order order_;
  LoaderOptions options_;
  std::int64_t share_;
  at::Tensor pixels_;  // uint8 [N, H, W, C]
  at::Tensor labels_;  // int64 [N]
  Batch batch_;
};

}  // namespace valley
