// Copies a batch to the device on a separate stream: the copy does not queue behind earlier steps,
// and the host can tell when its buffer may be overwritten. On CPUs nothing is copied.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <optional>

namespace valley {

class BatchUpload {
 public:
  explicit BatchUpload(at::Device device);

  // Returns `host` on the device, for work that is queued on the calling stream afterwards. A
  // tensor that is already on the device is returned unchanged.
  [[nodiscard]] at::Tensor start(const at::Tensor& host);

  // Returns once the memory given to `start` may be overwritten. Does not wait for work on the
  // calling stream.
  void finish();

 private:
  at::Device device_;
  std::optional<c10::Stream> stream_;  // none on CPUs
  std::optional<c10::Event> copied_;
};

}  // namespace valley
