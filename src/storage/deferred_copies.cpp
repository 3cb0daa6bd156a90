#include "storage/deferred_copies.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace valley {

void DeferredCopies::add(at::Tensor from, at::Tensor to) {
  copies_.push_back({std::move(from), std::move(to)});
}

void DeferredCopies::begin() {
  if (copies_.empty() || copies_.front().from.is_cpu()) return;
  device_ = copies_.front().from.device();
  const c10::impl::VirtualGuardImpl gpu(device_.type());
  const c10::Stream own = gpu.getStreamFromGlobalPool(device_);
  c10::Event ready(device_.type());
  ready.record(gpu.getStream(device_));
  ready.block(own);
  copied_.emplace(device_.type());
  const at::NoGradGuard no_grad;
  const c10::StreamGuard on_stream(own);
  for (const Copy& copy : copies_) copy.to.copy_(copy.from, /*non_blocking=*/true);
  copied_->record(own);
}

void DeferredCopies::make() {
  // Threads that wait must not hang if a copy fails.
  struct Notice {
    std::atomic<bool>& made;
    ~Notice() {
      made = true;
      made.notify_all();
    }
  };
  const Notice notice{made_};
  if (copied_) {
    copied_->synchronize();
  } else {
    const at::NoGradGuard no_grad;
    for (const Copy& copy : copies_) copy.to.copy_(copy.from);
  }
  copies_.clear();
}

void DeferredCopies::wait() {
  if (copied_) {
    copied_->block(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  } else {
    made_.wait(false);
  }
}

}  // namespace valley
