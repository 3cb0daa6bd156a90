// Decides which steps are audited, and reads the images of audits (train/audit.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "comm/world.h"
#include "data/dataset.h"
#include "data/order.h"
#include "experiment/experiment.h"
#include "plan/microbatches.h"
#include "train/audit.h"

namespace valley {

class RunAuditor {
 public:
  // The references must outlive this object. `first_step`: steps done before this launch.
  RunAuditor(World& world, const Experiment& experiment, std::shared_ptr<const Dataset> dataset,
             const MicrobatchPlan& plan, std::int64_t first_step);

  // The audit of `step`, from 1, or nullptr; valid until the next call. Audited are multiples of
  // train.audit_every and the first step of a launch.
  [[nodiscard]] const AuditRequest* request(std::int64_t step);
  // After that step has ended without a difference. `has_rounding`: gradients differ by rounding,
  // which later audits allow.
  void confirm(double seconds, bool has_rounding);

  // The last audited step without a difference; what was computed later is unconfirmed.
  [[nodiscard]] std::int64_t confirmed_step() const { return confirmed_; }
  // Logs the number of audits and their share of `run_seconds`, if there were any.
  void log_cost(double run_seconds) const;

 private:
  [[nodiscard]] AuditImages read(int rank, std::int64_t step, std::int64_t microbatch) const;

  int ranks_;
  const Experiment& experiment_;
  std::shared_ptr<const Dataset> dataset_;
  MicrobatchPlan plan_;  // a copy: a rescue may replace the trainer
  Order order_;
  std::int64_t first_step_;
  std::int64_t confirmed_;
  std::int64_t pending_ = 0;  // step of request_
  AuditRequest request_;
  std::int64_t audits_ = 0;
  double seconds_ = 0;
};

}  // namespace valley
