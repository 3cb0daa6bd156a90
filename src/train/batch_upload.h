// Brings a batch to the device, on a stream of its own: the copy does not queue behind the steps
// before, and the host can tell when its buffer is free again. On CPUs nothing is copied.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <optional>

namespace valley {

class BatchUpload {
 public:
  explicit BatchUpload(at::Device device);

  // `host` on the device, for work queued on the calling stream from now on. What is there already
  // is returned as it is.
  [[nodiscard]] at::Tensor start(const at::Tensor& host);

  // Returns once the memory given to `start` may be written again. Does not wait for work on the
  // calling stream.
  void finish();

 private:
  at::Device device_;
  std::optional<c10::Stream> stream_;  // none on CPUs
  std::optional<c10::Event> copied_;
};

}  // namespace valley
