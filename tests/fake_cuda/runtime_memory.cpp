// Functions of the CUDA runtime for memory.
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "counters.h"
#include "memory.h"
#include "runtime_state.h"
#include "settings.h"

using namespace valley::fake;

namespace {

const char* describe_copy(MemoryKind from, MemoryKind to) {
  static constexpr const char* kNames[3][3] = {
      {"copy on the host", "copy on the host", "copy pageable to device"},
      {"copy on the host", "copy on the host", "copy pinned to device"},
      {"copy device to pageable", "copy device to pinned", "copy device to device"}};
  return kNames[static_cast<int>(from)][static_cast<int>(to)];
}

// Copies in the order of a stream. Pageable memory is read, and has been written, when this
// returns, as CUDA promises.
cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaStream_t handle) {
  Stream& stream = stream_of(handle);
  const bool from_pageable = place_of(from).kind == MemoryKind::kPageable;
  const bool to_pageable = place_of(to).kind == MemoryKind::kPageable;
  if (stream.capture() && (from_pageable || to_pageable)) {
    stream.capture()->error = cudaErrorStreamCaptureUnsupported;
    return note(cudaErrorStreamCaptureUnsupported);
  }
  const char* name = describe_copy(place_of(from).kind, place_of(to).kind);
  count_call("copy", handle);
  if (from_pageable) {
    count_work(name, bytes);
    const auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                            static_cast<const char*>(from) + bytes);
    return note(stream.add([to, staged] { std::memcpy(to, staged->data(), staged->size()); }));
  }
  const bool is_slow = settings().copy_delay > 0 && (place_of(to).kind == MemoryKind::kPinned ||
                                                     place_of(from).kind == MemoryKind::kPinned);
  const cudaError_t error = stream.add([to, from, bytes, is_slow, name] {
    count_work(name, bytes);
    if (is_slow) std::this_thread::sleep_for(std::chrono::milliseconds(settings().copy_delay));
    std::memmove(to, from, bytes);
  });
  if (error == cudaSuccess && to_pageable) stream.wait();
  return note(error);
}

}  // namespace

EXPORT cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  load_operators();
  if (const cudaError_t error = check_unsafe_call(); error != cudaSuccess) return note(error);
  *p = fails_now("malloc") ? nullptr : allocate_device(current_device, bytes);
  return note(*p == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

EXPORT cudaError_t cudaFree(void* p) {
  if (p == nullptr) return note(cudaSuccess);
  if (const cudaError_t error = check_unsafe_call(); error != cudaSuccess) return note(error);
  wait_for_device(place_of(p).device);
  return note(free_device(p) ? cudaSuccess : cudaErrorInvalidValue);
}

EXPORT cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  if (const cudaError_t error = check_unsafe_call(); error != cudaSuccess) return note(error);
  *p = allocate_pinned(bytes);
  return note(*p == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

EXPORT cudaError_t cudaFreeHost(void* p) {
  if (p == nullptr) return note(cudaSuccess);
  wait_for_device(current_device);
  return note(free_pinned(p) ? cudaSuccess : cudaErrorInvalidValue);
}

EXPORT cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = settings().memory;
  *free = settings().memory - used_bytes(current_device);
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
  std::memset(attributes, 0, sizeof *attributes);
  const MemoryPlace place = place_of(p);
  attributes->device = place.device;
  attributes->type = place.kind == MemoryKind::kDevice   ? cudaMemoryTypeDevice
                     : place.kind == MemoryKind::kPinned ? cudaMemoryTypeHost
                                                         : cudaMemoryTypeUnregistered;
  attributes->devicePointer = const_cast<void*>(p);
  attributes->hostPointer = const_cast<void*>(p);
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                   cudaStream_t stream) {
  return copy(to, from, bytes, stream);
}

EXPORT cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, std::size_t bytes,
                                       cudaStream_t stream) {
  return copy(to, from, bytes, stream);
}

EXPORT cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  const cudaError_t error = copy(to, from, bytes, nullptr);
  if (error == cudaSuccess) stream_of(nullptr).wait();
  return error;
}

EXPORT cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                                     std::size_t from_pitch, std::size_t width, std::size_t height,
                                     cudaMemcpyKind, cudaStream_t stream) {
  for (std::size_t row = 0; row < height; ++row) {
    const cudaError_t error =
        copy(static_cast<char*>(to) + row * to_pitch,
             static_cast<const char*>(from) + row * from_pitch, width, stream);
    if (error != cudaSuccess) return error;
  }
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  count_call("memset", stream);
  return note(stream_of(stream).add([p, value, bytes] {
    count_work("memset", bytes);
    std::memset(p, value, bytes);
  }));
}

EXPORT cudaError_t cudaMemset(void* p, int value, std::size_t bytes) {
  return cudaMemsetAsync(p, value, bytes, nullptr);
}
