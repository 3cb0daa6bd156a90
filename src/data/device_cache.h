// A whole data set's pixels on a device, as bytes: batches are gathered there by index, and nothing
// is read or copied during training but the indices. What a batch holds is what a Loader of the
// same options delivers, to the bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "data/dataset.h"
#include "data/loader.h"
#include "data/order.h"

namespace valley {

// Bytes that the pixels of `dataset` and their labels take.
[[nodiscard]] std::int64_t cached_bytes(const Dataset& dataset);

class DeviceCache {
 public:
  // Collective: gathers `share` of all ranks, uint8 [n, H, W, C], into `all`, [ranks, n, H, W, C].
  using Gather = std::function<void(const at::Tensor& share, const at::Tensor& all)>;

  // Reads images with the calling thread's intra-op threads; their checksums are compared unless
  // options.verify is kOff. With `gather` each rank reads one part of the data set and gets the
  // others from the other ranks; without, it reads all images. `order` is of dataset->size() images
  // and global_batch a multiple of `ranks`. Collective with `gather`. Errors as Dataset::read;
  // memory that is not there is c10's error.
  DeviceCache(const std::shared_ptr<const Dataset>& dataset, const Order& order,
              const LoaderOptions& options, at::Device device, const Gather& gather = {});

  // The next step's batch, whose tensors are on the device: valid until the next call, for work on
  // the calling thread's current stream. Never waits for the device.
  [[nodiscard]] const Batch& next();

 private:
  // Images [first, first + n) into `into`, whose first n rows they become.
  void fill(const Dataset& dataset, std::int64_t first, std::int64_t n, const at::Tensor& into);

  Order order_;
  LoaderOptions options_;
  std::int64_t share_;
  at::Tensor pixels_;  // uint8 [N, H, W, C]
  at::Tensor labels_;  // int64 [N]
  Batch batch_;
};

}  // namespace valley
