// Gradients summed over ranks in buckets, while the backward pass that fills them still runs.
//
// A bucket is a run of neighbouring parameters of one network in its flat buffer. When a phase runs
// for the first time, its last microbatch only counts how often the gradient of each parameter
// grows, and in which order they are complete. From then on a bucket's reduction starts as soon as
// its parameters have grown that often in the last microbatch. All ranks start them in one order,
// which rank 0 saw; what autograd does not fill (gradients written by hand, statistics, the sums in
// the tail) is reduced when the pass has ended.
//
// Each element is summed over ranks once, as without buckets; which algorithm sums it may depend on
// a message's size, and with it, from three ranks on, the rounding.
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
  // `bucket_bytes`, except those that end a network.
  BucketedReduction(Communicator& communicator, std::int64_t bucket_bytes, bool on_thread);
  ~BucketedReduction();
  BucketedReduction(const BucketedReduction&) = delete;
  BucketedReduction& operator=(const BucketedReduction&) = delete;

  // Watches a network: `parameters` in the order of `group`, whose views their gradients are. Both
  // must outlive this. Leaves hooks on the parameters until this is destroyed.
  void watch(const FlatGroup& group, const ParameterSet& parameters);

  // Before the last microbatch of `phase`, which updates the networks named.
  void begin(const std::string& phase, const std::vector<std::string>& networks);
  // Collective, after it: begins what the pass did not. Until `finish`, what is reduced of these
  // networks must be left alone, and so must the communicator.
  void begin_rest();
  // Collective, after it (begins the rest if nobody has): all that is reduced of these networks
  // holds its sum over ranks for work queued later. std::logic_error where a gradient grew after
  // its reduction had begun.
  void finish();

  // Buckets whose reduction began inside the backward pass of the last phase.
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
  // What a phase's last microbatch does, by parameter and by bucket.
  struct Course {
    std::vector<int> growths;        // of each parameter's gradient
    std::vector<std::size_t> order;  // of the phase's buckets; empty until it is known
  };

  void grown(std::size_t parameter);
  void start_complete();
  void start(const at::Tensor& memory);
  void learn();
  [[nodiscard]] bool is_active(const Bucket& bucket) const;

  Communicator& communicator_;
  std::int64_t bucket_bytes_;
  std::optional<CollectiveThread> thread_;
  std::vector<const FlatGroup*> groups_;
  std::vector<Watched> watched_;
  std::vector<Bucket> buckets_;
  std::map<std::string, Course> courses_;  // by phase
  // Of the microbatch under way:
  Course* course_ = nullptr;
  std::vector<const FlatGroup*> active_;
  std::vector<int> growths_;          // by parameter, so far
  std::vector<std::int64_t> last_;    // by parameter: when it grew last
  std::vector<std::size_t> missing_;  // by bucket: parameters that are not complete
  std::int64_t clock_ = 0;
  std::size_t started_ = 0;  // of course_->order
  std::int64_t started_early_ = 0;
  bool has_begun_rest_ = false;
  std::vector<std::unique_ptr<Work>> works_;
};

}  // namespace valley
