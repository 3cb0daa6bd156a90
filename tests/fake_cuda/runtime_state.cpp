#include "runtime_state.h"

#include <dlfcn.h>

#include <atomic>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "device.h"
#include "settings.h"

namespace valley::fake {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
std::atomic<int> sticky_error{cudaSuccess};

std::mutex streams_mutex;
std::vector<Stream*> all_streams;

struct ErrorText {
  const char* name;
  const char* text;
};

ErrorText text_of(cudaError_t error) {
  switch (error) {
#define TEXT(code, text) \
  case code:             \
    return {#code, text}
    TEXT(cudaSuccess, "no error");
    TEXT(cudaErrorInvalidValue, "invalid argument");
    TEXT(cudaErrorMemoryAllocation, "out of memory");
    TEXT(cudaErrorInvalidDevice, "invalid device ordinal");
    TEXT(cudaErrorNoDevice, "no CUDA-capable device is detected");
    TEXT(cudaErrorInsufficientDriver,
         "CUDA driver version is insufficient for CUDA runtime version");
    TEXT(cudaErrorIllegalAddress, "an illegal memory access was encountered");
    TEXT(cudaErrorNotReady, "device not ready");
    TEXT(cudaErrorNotSupported, "operation not supported");
    TEXT(cudaErrorNoKernelImageForDevice,
         "no kernel image is available for execution on the device");
    TEXT(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing");
    TEXT(cudaErrorStreamCaptureInvalidated,
         "operation failed due to a previous error during capture");
    TEXT(cudaErrorStreamCaptureMerge,
         "operation would result in a merge of separate capture sequences");
    TEXT(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began");
    TEXT(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work");
    TEXT(cudaErrorStreamCaptureIsolation,
         "dependency created on uncaptured work in another stream");
    TEXT(cudaErrorStreamCaptureImplicit,
         "operation would make the legacy stream depend on a capturing blocking stream");
    TEXT(cudaErrorStreamCaptureWrongThread,
         "attempt to terminate a thread-local capture sequence from another thread");
    TEXT(cudaErrorIllegalState, "the operation cannot be performed in the present state");
#undef TEXT
    default:
      return {"cudaErrorUnknown", "unknown error"};
  }
}

}  // namespace

cudaError_t note(cudaError_t error) {
  if (const int sticky = sticky_error.load(); sticky != cudaSuccess)
    error = static_cast<cudaError_t>(sticky);
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

void set_sticky_error(cudaError_t error) { sticky_error = error; }

Stream* new_stream(int device) {
  auto* stream = new Stream(device);
  const std::lock_guard lock(streams_mutex);
  all_streams.push_back(stream);
  return stream;
}

Stream& stream_of(cudaStream_t handle) {
  if (handle != nullptr && handle != cudaStreamLegacy && handle != cudaStreamPerThread)
    return *reinterpret_cast<Stream*>(handle);
  static std::mutex mutex;
  static std::map<int, Stream*> defaults;
  const std::lock_guard lock(mutex);
  Stream*& stream = defaults[current_device];
  if (stream == nullptr) stream = new_stream(current_device);
  return *stream;
}

void wait_for_device(int device) {
  std::vector<Stream*> streams;
  {
    const std::lock_guard lock(streams_mutex);
    streams = all_streams;
  }
  for (Stream* stream : streams)
    if (stream->device() == device) stream->wait();
}

void load_operators() {
  static std::once_flag once;
  if (dlsym(RTLD_DEFAULT, "_ZN2at4cuda20getCurrentDeviceInfoEv") == nullptr &&
      dlopen("libtorch_cuda.so", RTLD_NOLOAD | RTLD_LAZY) == nullptr)
    return;
  std::call_once(once, [] {
    if (dlopen("libvalley_fake_operators.so", RTLD_NOW | RTLD_GLOBAL) == nullptr)
      give_up(dlerror());
  });
}

// For the operators and NCCL of the fake device (device.h).
cudaError_t add_task(cudaStream_t stream, Task task) {
  return note(stream_of(stream).add(std::move(task)));
}
bool is_capturing(cudaStream_t stream) { return stream_of(stream).capture() != nullptr; }

EXPORT cudaError_t cudaGetLastError() {
  const cudaError_t error = note(last_error);
  last_error = cudaSuccess;
  return error;
}
EXPORT cudaError_t cudaPeekAtLastError() { return note(last_error); }
EXPORT const char* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }
EXPORT const char* cudaGetErrorString(cudaError_t error) { return text_of(error).text; }

}  // namespace valley::fake
