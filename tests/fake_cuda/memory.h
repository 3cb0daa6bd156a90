// Memory of the fake CUDA device: host memory that the runtime knows as device memory or as pinned
// host memory. New device memory is filled with bytes 0xFF (NaN as float or double).
#pragma once

#include <cstddef>

namespace valley::fake {

enum class MemoryKind { kPageable, kPinned, kDevice };

struct MemoryPlace {
  MemoryKind kind;
  int device;
};

// Null if the device's memory limit is reached.
void* allocate_device(int device, std::size_t bytes);
bool free_device(void* p);
void* allocate_pinned(std::size_t bytes);
bool free_pinned(void* p);
MemoryPlace place_of(const void* p);
std::size_t used_bytes(int device);

}  // namespace valley::fake
