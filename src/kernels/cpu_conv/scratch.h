// Memory for intermediate results of kernels, which a thread keeps between calls.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace valley::kernels::cpu {

class Scratch {
 public:
  // Aligned to 64 bytes; previous contents are lost.
  float* get(std::size_t floats) {
    if (floats > size_) {
      memory_.reset(static_cast<float*>(::operator new(floats * sizeof(float), kAlignment)));
      size_ = floats;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* p) const { ::operator delete(p, kAlignment); }
  };
  std::unique_ptr<float, Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace valley::kernels::cpu
