// Prefetches this rank's share of each global batch, in the order of data, on separate threads.
//
// Step s covers positions [s * global_batch, (s+1) * global_batch); rank r of R takes the r-th
// contiguous part. Batches are in a ring of buffers (pinned with CUDA), uint8 NHWC; no HDF5 calls
// during training. `next` rethrows the error of a loader thread at the step that it concerns; the
// threads have then ended, and further calls throw it again. Not collective.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/order.h"

namespace valley {

enum class Verify { kOff, kFirstEpoch, kAlways };
// Values of data.verify, in the order of the enum: "off", "first-epoch", "always".
[[nodiscard]] std::vector<std::string> verify_names();
[[nodiscard]] Verify parse_verify(const std::string& name);  // Error kConfig naming the values

struct LoaderOptions {
  std::int64_t global_batch = 16;
  int rank = 0;
  int ranks = 1;
  std::int64_t first_step = 0;
  std::int64_t depth = 4;    // batches in the ring, including the one that the caller holds
  std::int64_t threads = 1;  // reading threads
  // kFirstEpoch: the first pass over the data, by position, also after a resume.
  Verify verify = Verify::kFirstEpoch;
  bool pinned = false;
};

struct Batch {
  std::int64_t step = 0;
  std::uint64_t first_position = 0;  // first position of this rank's part
  at::Tensor pixels;                 // uint8 [share, H, W, C]; valid until the next call of next()
  at::Tensor labels;                 // int64 [share]
};

class Loader {
 public:
  // `order` has dataset->size() images; global_batch is a multiple of `ranks`. Error (kOutOfMemory)
  // if the ring cannot be allocated.
  Loader(std::shared_ptr<const Dataset> dataset, const Order& order, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Batch of the next step. Releases the previous one: with CUDA, its copy to the device must have
  // finished.
  [[nodiscard]] const Batch& next();

  struct Counters {
    double wait_seconds = 0;  // time that next() waited for data
    std::uint64_t batches = 0;
    std::uint64_t bytes = 0;
    double mean_queue_depth = 0;  // mean number of ready batches at calls of next()
  };
  [[nodiscard]] Counters counters() const;  // since the start

 private:
  class Ring;
  std::unique_ptr<Ring> ring_;
};

}  // namespace valley
