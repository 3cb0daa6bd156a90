// The audit of one step's images and gradients: each rank repeats one microbatch of another rank.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "plan/microbatches.h"
#include "storage/safetensors.h"
#include "train/audit.h"

namespace valley {

class StepAudit {
 public:
  // Collective. Reads the images of the rank that this one audits. `step` is for messages. The
  // arguments must outlive this object.
  StepAudit(const AuditRequest& request, const MicrobatchPlan& plan, Communicator& communicator,
            std::int64_t step, bool needs_labels);

  // Collective. `own`: this rank's microbatch on the device, as it will be trained on. Throws
  // CorruptionFound if its bytes differ from those that the auditor has read.
  void compare_images(const AuditImages& own);

  // Computes the digests of a microbatch's gradient. `rank`: the microbatch's owner; `images` are
  // on the device; `inputs`: the owner's Objective::own_inputs.
  using Gradient =
      std::function<Digests(int rank, const AuditImages& images, const TensorMap& inputs)>;
  // Collective. Throws CorruptionFound if the gradient of a microbatch differs between its owner
  // and its auditor.
  void compare_gradients(const std::string& phase, const AuditImages& own,
                         const TensorMap& own_inputs, const Gradient& gradient);

  // True if gradients differed, but only by rounding (AuditRequest::may_round).
  [[nodiscard]] bool has_rounding() const { return has_rounding_; }
  [[nodiscard]] std::int64_t microbatch() const { return request_.microbatch; }

 private:
  struct Pair {
    int owner, auditor;
    std::string tensor;  // that differs
  };
  // Digests of all ranks: `own` of their own microbatch, `repeated` of the one that they audit.
  struct Table {
    std::vector<std::vector<Digest>> own, repeated;
  };
  [[nodiscard]] int auditor_of(int owner) const;
  [[nodiscard]] AuditImages read(int rank) const;
  [[nodiscard]] Table exchange(const Digests& own, const Digests& repeated);
  [[nodiscard]] std::vector<Pair> differing(const Table& table, const Digests& names,
                                            bool exact) const;
  [[nodiscard]] std::optional<int> third_rank(const std::vector<Pair>& pairs) const;
  // Lets a third rank compute the digests of the first pair, and throws CorruptionFound. `what`
  // and `again` are for the message: "images", "read again".
  [[noreturn]] void judge(const std::string& what, const char* again,
                          const std::vector<Pair>& pairs, const Table& table, bool exact,
                          const std::function<Digests(int rank)>& repeat);

  const AuditRequest& request_;
  const MicrobatchPlan& plan_;
  Communicator& communicator_;
  std::int64_t step_;
  bool needs_labels_;
  int audited_;                 // rank
  AuditImages audited_images_;  // on the device
  bool has_rounding_ = false;
};

}  // namespace valley
