// State of the fake CUDA runtime, shared by its files: errors, the current device, streams.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "streams.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace valley::fake {

inline thread_local int current_device = 0;

// Records an error for cudaGetLastError and returns it, or the sticky error if there is one.
cudaError_t note(cudaError_t error);
// Makes every later call return `error`, as after a kernel fault.
void set_sticky_error(cudaError_t error);

// Streams live as long as the process: their threads may still use them.
Stream* new_stream(int device);
Stream& stream_of(cudaStream_t handle);  // the default stream of the device for null
void wait_for_device(int device);

// Loads the library that registers LibTorch's operators on this device, if the process has
// LibTorch's CUDA library.
void load_operators();

}  // namespace valley::fake
