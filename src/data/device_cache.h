// A whole data set's pixels on a device, as bytes: batches are gathered there by index, and nothing
// is read or copied during training but the indices. What a batch holds is what a Loader of the
// same options delivers, to the bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "data/dataset.h"
#include "data/loader.h"
#include "data/order.h"

namespace valley {

// Bytes that the pixels of `dataset` and their labels take.
[[nodiscard]] std::int64_t cached_bytes(const Dataset& dataset);

class DeviceCache {
 public:
  // Reads all images with the calling thread's intra-op threads; their checksums are compared
  // unless options.verify is kOff. `order` is of dataset->size() images and global_batch a multiple
  // of `ranks`. Not collective. Errors as Dataset::read; memory that is not there is c10's error.
  DeviceCache(const std::shared_ptr<const Dataset>& dataset, const Order& order,
              const LoaderOptions& options, at::Device device);

  // The next step's batch, whose tensors are on the device: valid until the next call, for work on
  // the calling thread's current stream. Never waits for the device.
  [[nodiscard]] const Batch& next();

 private:
  void fill(const Dataset& dataset);

  Order order_;
  LoaderOptions options_;
  std::int64_t share_;
  at::Tensor pixels_;  // uint8 [N, H, W, C]
  at::Tensor labels_;  // int64 [N]
  Batch batch_;
};

}  // namespace valley
