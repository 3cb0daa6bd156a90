#include "storage/deferred_copies.h"

#include <ATen/core/grad_mode.h>

namespace valley {

void DeferredCopies::add(at::Tensor from, at::Tensor to) {
  copies_.push_back({std::move(from), std::move(to)});
}

void DeferredCopies::make() {
  // Whoever waits must not wait for ever because a copy failed.
  struct Notice {
    std::atomic<bool>& made;
    ~Notice() {
      made = true;
      made.notify_all();
    }
  };
  const Notice notice{made_};
  const at::NoGradGuard no_grad;
  for (const Copy& copy : copies_) copy.to.copy_(copy.from);
  copies_.clear();
}

}  // namespace valley
