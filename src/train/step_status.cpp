#include "train/step_status.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/core.h>

#include <cmath>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::size_t kCudaLag = 2;  // steps
// Only rank 0 asks for a checkpoint, so that the sum of all ranks tells both numbers.
constexpr float kSave = 1;
constexpr float kStop = 2;

}  // namespace

float encode_requests(bool stop, bool save) { return (stop ? kStop : 0) + (save ? kSave : 0); }

StatusQueue::StatusQueue(Communicator& communicator)
    : communicator_(communicator),
      device_(communicator.device()),
      lag_(device_.is_cuda() ? kCudaLag : 0) {}

void StatusQueue::push(std::int64_t step, const at::Tensor& not_finite,
                       const at::Tensor& requests) {
  const at::Tensor both = at::stack({not_finite.to(at::kFloat), requests});
  if (!device_.is_cuda()) {
    pending_.push_back({step, both, nullptr});
    return;
  }
  at::Tensor host =
      at::empty({2}, at::TensorOptions(at::kCPU).dtype(at::kFloat).pinned_memory(true));
  host.copy_(both, /*non_blocking=*/true);
  auto event = std::make_unique<c10::Event>(device_.type());
  event->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  pending_.push_back({step, host, std::move(event)});
}

StepStatus StatusQueue::read(bool wait_for_all) {
  status_.save = false;
  while (pending_.size() > (wait_for_all ? 0 : lag_)) take_oldest();
  return status_;
}

void StatusQueue::clear() {
  VALLEY_CHECK(pending_.empty());
  status_ = {};
}

void StatusQueue::take_oldest() {
  const Entry& entry = pending_.front();
  // Polled, because after the loss of a rank the event never completes, and NCCL reports the loss
  // only to callers that query it.
  if (entry.event) {
    communicator_.wait_until([&] { return entry.event->query(); },
                             fmt::format("step {}", entry.step));
  }
  const auto* values = entry.host.const_data_ptr<float>();
  if (!status_.not_finite) status_.step = entry.step;
  status_.not_finite = status_.not_finite || values[0] > 0;
  status_.stop = status_.stop || values[1] >= kStop;
  status_.save = status_.save || std::fmod(values[1], kStop) == kSave;
  pending_.pop_front();
}

}  // namespace valley
