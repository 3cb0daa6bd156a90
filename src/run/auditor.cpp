#include "run/auditor.h"

#include <ATen/ops/empty.h>

#include <utility>

#include "core/log.h"
#include "core/philox.h"
#include "core/text.h"

namespace valley {

RunAuditor::RunAuditor(World& world, const Experiment& experiment,
                       std::shared_ptr<const Dataset> dataset, const MicrobatchPlan& plan,
                       std::int64_t first_step)
    : ranks_(world.size()),
      experiment_(experiment),
      dataset_(std::move(dataset)),
      plan_(plan),
      order_(experiment.seed(), dataset_->order_parts(), experiment.data.order),
      first_step_(first_step) {
  // The multiples before this launch were audited too.
  const std::int64_t every = experiment.train.audit_every;
  confirmed_ = every > 0 ? first_step / every * every : 0;
}

const AuditRequest* RunAuditor::request(std::int64_t step) {
  const std::int64_t every = experiment_.train.audit_every;
  if (every == 0 || (step % every != 0 && step != first_step_ + 1)) return nullptr;
  const PhiloxBlock draw =
      philox(experiment_.seed(), static_cast<std::uint32_t>(RandomStream::kAudit),
             static_cast<std::uint64_t>(step), 0);
  pending_ = step;
  request_.microbatch = draw.word[0] % plan_.per_rank;
  request_.distance =
      ranks_ > 1 ? 1 + static_cast<int>(draw.word[1] % static_cast<std::uint32_t>(ranks_ - 1)) : 0;
  request_.read = [this](int rank) { return read(rank, pending_, request_.microbatch); };
  request_.may_round = audits_ == 0;
  return &request_;
}

void RunAuditor::confirm(double seconds, bool has_rounding) {
  if (has_rounding) request_.exact = false;
  confirmed_ = pending_;
  ++audits_;
  seconds_ += seconds;
}

void RunAuditor::log_cost(double run_seconds) const {
  if (audits_ == 0) return;
  log::info("{} without a difference took {:.1f} ms each, {:.2f} % of the time",
            plural(audits_, "audit"), 1000 * seconds_ / static_cast<double>(audits_),
            100 * seconds_ / run_seconds);
}

// From the data set itself, not from a cache or the loader, which the audit checks too.
AuditImages RunAuditor::read(int rank, std::int64_t step, std::int64_t microbatch) const {
  const std::int64_t first =
      (step - 1) * plan_.global_batch + rank * plan_.share() + microbatch * plan_.size;
  AuditImages images;
  images.pixels = at::empty(
      {plan_.size, dataset_->height(), dataset_->width(), dataset_->channels()}, at::kByte);
  images.labels = at::empty({plan_.size}, at::kLong);
  const std::uint64_t bytes = dataset_->image_bytes();
  auto* pixels = images.pixels.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < plan_.size; ++i) {
    const std::uint64_t image = order_.image_at(static_cast<std::uint64_t>(first + i));
    dataset_->read(image, {pixels + static_cast<std::uint64_t>(i) * bytes, bytes}, true);
    images.labels.mutable_data_ptr<std::int64_t>()[i] = dataset_->label(image);
  }
  return images;
}

}  // namespace valley
