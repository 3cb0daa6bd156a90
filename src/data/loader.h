// Prefetches this rank's share of each global batch, in the rank-free order, on threads of its own.
//
// Step s covers positions [s * global_batch, (s+1) * global_batch); rank r of R takes the r-th
// contiguous part. Batches lie in a ring of buffers (pinned with CUDA), uint8 NHWC; no HDF5 call in
// the hot path. An error on a loader thread is rethrown by `next` when the step that it concerns is
// due; the threads have ended then and each further call throws it again. Not collective.
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
// Of data.verify, in the order of the enum: "off", "first-epoch", "always".
[[nodiscard]] std::vector<std::string> verify_names();
[[nodiscard]] Verify parse_verify(const std::string& name);  // Error kConfig naming those

struct LoaderOptions {
  std::int64_t global_batch = 16;
  int rank = 0;
  int ranks = 1;
  std::int64_t first_step = 0;
  std::int64_t depth = 4;    // batches in the ring, the one that the caller holds included
  std::int64_t threads = 1;  // reading threads
  // kFirstEpoch: the first pass over the data of this training, by position, after a resume too.
  Verify verify = Verify::kFirstEpoch;
  bool pinned = false;
};

struct Batch {
  std::int64_t step = 0;
  std::uint64_t first_position = 0;  // of this rank's part
  at::Tensor pixels;                 // uint8 [share, H, W, C]; valid until the next call of next()
  at::Tensor labels;                 // int64 [share]
};

class Loader {
 public:
  // `order` is of dataset->size() images and global_batch a multiple of `ranks`. Error
  // (kOutOfMemory) when the ring finds no memory.
  Loader(std::shared_ptr<const Dataset> dataset, const Order& order, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next step's batch. Gives back the previous one: with CUDA its copy to the device must have
  // finished by then.
  [[nodiscard]] const Batch& next();

  struct Counters {
    double wait_seconds = 0;  // spent in next() for data that was not there yet
    std::uint64_t batches = 0;
    std::uint64_t bytes = 0;
    double mean_queue_depth = 0;  // batches that were ready when next() was called
  };
  [[nodiscard]] Counters counters() const;  // since the start

 private:
  class Ring;
  std::unique_ptr<Ring> ring_;
};

}  // namespace valley
