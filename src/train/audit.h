// Comparison of ranks with each other, which finds errors that raise no exception: bits that flip
// in memory, processors and links that compute or carry something wrong.
//
// Weights, moments, averages and the state of the objective are replicas, equal on all ranks. The
// gradient of a microbatch does not depend on the rank that computes it, so that another rank can
// repeat it. A third rank decides who is right.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "core/error.h"
#include "train/digests.h"

namespace valley {

// Images of a microbatch on the host, read from the data set.
struct AuditImages {
  at::Tensor pixels;  // uint8 [size, H, W, C]
  at::Tensor labels;  // int64 [size]
};

// The audit of one step; equal on all ranks, except `read`.
struct AuditRequest {
  std::int64_t microbatch = 0;  // index within the share of each rank
  int distance = 0;  // the microbatch of rank r is repeated by rank (r + distance) % ranks
  // Reads that microbatch of a rank.
  std::function<AuditImages(int rank)> read;
  // Gradients are equal bit for bit; false: within kAuditTolerance.
  bool exact = true;
  // Gradients that differ by rounding are no error, but mean that later audits are not exact.
  bool may_round = false;
};

// Relative to the norm of the gradient: above the rounding of bf16 and TF32, and of sums in
// another order.
inline constexpr double kAuditTolerance = 0.02;

// Replicas or gradients differ. Thrown on all ranks alike, before the next update of the weights.
class CorruptionFound : public Error {
 public:
  CorruptionFound(const std::string& what, std::vector<int> suspects)
      : Error(ExitCode::kCorrupted, what), suspects_(std::move(suspects)) {}
  // The ranks that are wrong; if that is undecided, all that may be.
  [[nodiscard]] const std::vector<int>& suspects() const { return suspects_; }

 private:
  std::vector<int> suspects_;
};

// Waits until the device has done all queued work, so that its memory can be read. Polls, because
// after the loss of a rank a collective never ends, and NCCL reports the loss only to callers that
// query it. Throws Error (kRankLost) then.
void await_device(Communicator& communicator);

// Row r: `own` of rank r. Collective; `own` is on the CPU and so is the result.
[[nodiscard]] at::Tensor gather_rows(Communicator& communicator, const at::Tensor& own);

// Collective. Throws CorruptionFound if `own` differs between ranks; `when` completes the message:
// "before step 7".
void compare_replicas(Communicator& communicator, const Digests& own, const std::string& when);

// "rank 3", "ranks 0, 1 and 3".
[[nodiscard]] std::string ranks_text(const std::vector<int>& ranks);

}  // namespace valley
