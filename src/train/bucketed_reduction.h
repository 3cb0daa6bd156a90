// All-reduce of gradients in buckets, overlapped with the backward pass that computes them.
//
// A bucket is a range of adjacent parameters of one network in its flat buffer. The first run of a
// phase records, in its last microbatch, how often autograd accumulates into the gradient of each
// parameter and in which order the buckets become complete (the ready order). Afterwards a bucket's
// reduction starts as soon as each of its gradients has reached its accumulation count in the last
// microbatch. All ranks use the ready order of rank 0. Tensors that autograd does not fill
// (gradients written by hand, statistics, the sums in the tail) are reduced after the backward
// pass.
//
// Each element is summed over ranks once, as without buckets. The all-reduce algorithm may depend
// on the message size, so that with three or more ranks the rounding may differ.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/collective_thread.h"
#include "comm/communicator.h"
#include "train/flat_group.h"

namespace valley {

class BucketedReduction {
 public:
  // `on_thread`: for communicators that block, see CollectiveThread. Buckets have at least
  // `bucket_bytes`, except the last one of each network.
  BucketedReduction(Communicator& communicator, std::int64_t bucket_bytes, bool on_thread);
  ~BucketedReduction();
  BucketedReduction(const BucketedReduction&) = delete;
  BucketedReduction& operator=(const BucketedReduction&) = delete;

  // Registers a network: `parameters` are in the order of `group`, and their gradients are views of
  // it. Both must outlive this object, which keeps hooks on the parameters until it is destroyed.
  void watch(const FlatGroup& group, const ParameterSet& parameters);

  // Call before the last microbatch of `phase`, which updates `networks`. Its backward pass throws
  // std::logic_error if it accumulates into a gradient whose reduction has already started.
  void begin(const std::string& phase, const std::vector<std::string>& networks);
  // Collective, after that microbatch: starts the reductions that have not started yet. Until
  // `finish`, neither the reduced buffers of these networks nor the communicator may be used.
  void begin_rest();
  // Collective: calls begin_rest if that has not happened, then waits. Work queued later sees the
  // sums over ranks.
  void finish();

  // Buckets whose reduction started during the backward pass of the last phase.
  [[nodiscard]] std::int64_t started_early() const { return started_early_; }
  [[nodiscard]] std::int64_t buckets() const { return static_cast<std::int64_t>(buckets_.size()); }

 private:
  class Hook;
  struct Watched {  // a parameter
    at::Tensor value;
    std::string name;
    std::size_t bucket;
  };
  struct Bucket {
    at::Tensor memory;  // float, a part of a group's gradients
    const FlatGroup* group;
    std::vector<std::size_t> parameters;
  };
  // Recorded in the first run of a phase.
  struct PhaseRecord {
    std::vector<int> accumulations;        // accumulation count per parameter
    std::vector<std::size_t> ready_order;  // the phase's buckets; empty until recorded
  };

  void on_accumulated(std::size_t parameter);
  void start_complete();
  void start(const at::Tensor& memory);
  void record_ready_order();
  [[nodiscard]] bool is_active(const Bucket& bucket) const;

  Communicator& communicator_;
  std::int64_t bucket_bytes_;
  std::optional<CollectiveThread> thread_;
  std::vector<const FlatGroup*> groups_;
  std::vector<Watched> watched_;
  std::vector<Bucket> buckets_;
  std::map<std::string, PhaseRecord> records_;  // by phase
  // State of the current microbatch:
  PhaseRecord* record_ = nullptr;
  std::vector<const FlatGroup*> active_;
  std::vector<int> accumulations_;    // per parameter, so far
  std::vector<std::int64_t> last_;    // per parameter: clock_ at the last accumulation
  std::vector<std::size_t> missing_;  // per bucket: parameters with an incomplete gradient
  std::int64_t clock_ = 0;            // accumulations of all parameters
  std::size_t started_ = 0;           // buckets of record_->ready_order
  std::int64_t started_early_ = 0;
  bool has_begun_rest_ = false;
  std::vector<std::unique_ptr<Work>> works_;
};

}  // namespace valley
