#include "train/batch_upload.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace valley {

BatchUpload::BatchUpload(at::Device device) : device_(device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  copied_.emplace(device.type());
}

at::Tensor BatchUpload::start(const at::Tensor& host) {
  if (!stream_ || host.device() == device_) return host;
  const c10::impl::VirtualGuardImpl device(device_.type());
  const c10::Stream calling = device.getStream(device_);
  at::Tensor there;
  {
    const c10::StreamGuard on_stream(*stream_);
    there = host.to(device_, /*non_blocking=*/true);
    copied_->record(*stream_);
  }
  copied_->block(calling);
  // Allocated for the copying stream: the allocator must know that another one uses it too.
  device.recordDataPtrOnStream(there.storage().data_ptr(), calling);
  return there;
}

void BatchUpload::finish() {
  if (copied_) copied_->synchronize();
}

}  // namespace valley
