// The CUDA runtime's functions that LibTorch, NCCL's callers and Valley import, on the fake device.
// All other functions return cudaErrorNotSupported.
#include <cuda_runtime_api.h>
#include <cxxabi.h>
#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "counters.h"
#include "device.h"
#include "kernel_table.h"
#include "memory.h"
#include "settings.h"
#include "streams.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

using namespace valley::fake;

namespace {

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;
std::atomic<int> sticky_error{cudaSuccess};  // every later call returns it, as after a kernel fault

cudaError_t note(cudaError_t error) {
  if (const int sticky = sticky_error.load(); sticky != cudaSuccess)
    error = static_cast<cudaError_t>(sticky);
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

// Streams and events live as long as the process: their threads may still use them.
std::mutex streams_mutex;
std::vector<Stream*> all_streams;

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

std::shared_ptr<Event>& event_of(cudaEvent_t handle) {
  return *reinterpret_cast<std::shared_ptr<Event>*>(handle);
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

// LibTorch's operators on this device are registered by a library of its own, once LibTorch's CUDA
// half is in the process.
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

// Waiting for a stream or an event that is captured makes the capture invalid.
cudaError_t check_wait(const std::shared_ptr<Capture>& capture) {
  if (!capture) return check_unsafe_call();
  capture->error = cudaErrorStreamCaptureUnsupported;
  return cudaErrorStreamCaptureUnsupported;
}

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

// Devices.

EXPORT cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (settings().driver < CUDART_VERSION / 1000 * 1000) return note(cudaErrorInsufficientDriver);
  *count = settings().devices;
  return note(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

EXPORT cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= settings().devices) return note(cudaErrorInvalidDevice);
  current_device = device;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device < 0 || device >= settings().devices) return note(cudaErrorInvalidDevice);
  std::memset(p, 0, sizeof *p);
  std::strcpy(p->name, "Fake GPU");
  p->major = settings().major;
  p->minor = settings().minor;
  p->totalGlobalMem = settings().memory;
  p->multiProcessorCount = 132;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->sharedMemPerBlock = 49152;
  p->sharedMemPerMultiprocessor = 233472;
  p->sharedMemPerBlockOptin = 232448;
  p->regsPerBlock = 65536;
  p->l2CacheSize = 50 << 20;
  p->uuid.bytes[0] = static_cast<char>(device + 1);
  for (int i = 0; i < 3; ++i) {
    p->maxGridSize[i] = i == 0 ? 2147483647 : 65535;
    p->maxThreadsDim[i] = i == 2 ? 64 : 1024;
  }
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = settings().major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = settings().minor;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrMaxGridDimX:
      *value = 2147483647;
      break;
    default:
      *value = 0;
  }
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDriverGetVersion(int* version) {
  *version = settings().driver;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  std::snprintf(text, static_cast<std::size_t>(length), "0000:%02x:00.0", device + 1);
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 1;
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return note(cudaSuccess); }

EXPORT cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr, int, int) {
  *value = 1;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = check_unsafe_call(); error != cudaSuccess) return note(error);
  wait_for_device(current_device);
  return note(cudaSuccess);
}

// Errors.

EXPORT cudaError_t cudaGetLastError() {
  const cudaError_t error = note(last_error);
  last_error = cudaSuccess;
  return error;
}
EXPORT cudaError_t cudaPeekAtLastError() { return note(last_error); }
EXPORT const char* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }
EXPORT const char* cudaGetErrorString(cudaError_t error) { return text_of(error).text; }

// Memory.

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

// Streams and events.

EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  load_operators();
  *stream = reinterpret_cast<cudaStream_t>(new_stream(current_device));
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, 0, 0);
}
EXPORT cudaError_t cudaStreamDestroy(cudaStream_t) { return note(cudaSuccess); }
EXPORT cudaError_t cudaStreamGetPriority(cudaStream_t, int* priority) {
  *priority = 0;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaStreamQuery(cudaStream_t handle) {
  Stream& stream = stream_of(handle);
  if (const cudaError_t error = check_wait(stream.capture()); error != cudaSuccess)
    return note(error);
  return note(stream.is_idle() ? cudaSuccess : cudaErrorNotReady);
}

EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  Stream& stream = stream_of(handle);
  if (const cudaError_t error = check_wait(stream.capture()); error != cudaSuccess)
    return note(error);
  stream.wait();
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  count_call("event wait", stream);
  return note(stream_of(stream).hold_back(*event_of(event)));
}

EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new std::shared_ptr<Event>(std::make_shared<Event>()));
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, 0);
}
EXPORT cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<std::shared_ptr<Event>*>(event);
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  count_call("event record", stream);
  return note(stream_of(stream).record(*event_of(event)));
}
EXPORT cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

EXPORT cudaError_t cudaEventQuery(cudaEvent_t handle) {
  const std::shared_ptr<Event> event = event_of(handle);
  if (const cudaError_t error = check_wait(event->capture); error != cudaSuccess)
    return note(error);
  return note(!event->moment || event->moment->is_past() ? cudaSuccess : cudaErrorNotReady);
}

EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  const std::shared_ptr<Event> event = event_of(handle);
  if (const cudaError_t error = check_wait(event->capture); error != cudaSuccess)
    return note(error);
  if (event->moment) event->moment->wait();
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t call, void* data,
                                         unsigned) {
  return note(stream_of(stream).add([=] { call(stream, cudaSuccess, data); }));
}
EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t call, void* data) {
  return note(stream_of(stream).add([=] { call(data); }));
}

// Captures and graphs.

EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (stream == nullptr || stream == cudaStreamLegacy)
    return note(cudaErrorStreamCaptureUnsupported);
  return note(stream_of(stream).begin_capture(mode));
}

EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  auto nodes = std::make_shared<Graph>();
  const cudaError_t error = stream_of(stream).end_capture(*nodes);
  *graph = error == cudaSuccess
               ? reinterpret_cast<cudaGraph_t>(new std::shared_ptr<const Graph>(nodes))
               : nullptr;
  return note(error);
}

EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const auto capture = stream_of(handle).capture();
  *status = !capture                        ? cudaStreamCaptureStatusNone
            : capture->error == cudaSuccess ? cudaStreamCaptureStatusActive
                                            : cudaStreamCaptureStatusInvalidated;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status,
                                            unsigned long long* id, cudaGraph_t* graph,
                                            const cudaGraphNode_t** dependencies,
                                            const cudaGraphEdgeData** edges, std::size_t* count) {
  const auto capture = stream_of(handle).capture();
  if (id != nullptr) *id = capture ? capture->id : 0;
  if (graph != nullptr) *graph = nullptr;
  if (dependencies != nullptr) *dependencies = nullptr;
  if (edges != nullptr) *edges = nullptr;
  if (count != nullptr) *count = 0;
  return cudaStreamIsCapturing(handle, status);
}

EXPORT cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  *mode = exchange_capture_mode(*mode);
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph,
                                                 unsigned long long) {
  const auto& nodes = *reinterpret_cast<std::shared_ptr<const Graph>*>(graph);
  *exec = reinterpret_cast<cudaGraphExec_t>(new Task(run_of(nodes)));
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  *count = (*reinterpret_cast<std::shared_ptr<const Graph>*>(graph))->nodes.size();
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  count_call("graph", stream);
  return note(stream_of(stream).add(*reinterpret_cast<Task*>(exec)));
}

EXPORT cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<std::shared_ptr<const Graph>*>(graph);
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete reinterpret_cast<Task*>(exec);
  return note(cudaSuccess);
}

// Kernels.

namespace {

struct LaunchShape {
  dim3 grid, block;
  std::size_t shared;
  cudaStream_t stream;
};
thread_local std::vector<LaunchShape> launch_shapes;  // <<<...>>> before the arguments are there

std::mutex names_mutex;
std::map<const void*, std::string>& kernel_names() {
  static std::map<const void*, std::string> names;  // by the address of the host's function
  return names;
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments,
                   cudaStream_t stream) {
  std::string name;
  {
    const std::lock_guard lock(names_mutex);
    const auto found = kernel_names().find(function);
    if (found == kernel_names().end()) return note(cudaErrorInvalidValue);
    name = found->second;
  }
  if (settings().prints_launches) std::fprintf(stderr, "fake CUDA: launch %s\n", name.c_str());
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  const std::string whole = status == 0 ? demangled.get() : name;
  Task task = whole.find("valley::") == std::string::npos
                  ? Task()
                  : task_of_kernel(short_name(whole), {grid.x, grid.y, grid.z},
                                   {block.x, block.y, block.z}, arguments);
  if (!task) give_up("a kernel was launched that cannot run here: " + whole);
  const bool fails = fails_now("launch");
  count_call("kernel", stream);
  return note(stream_of(stream).add([task = std::move(task), fails] {
    count_work("kernel");
    if (fails) {
      sticky_error = cudaErrorIllegalAddress;
    } else {
      task();
    }
  }));
}

}  // namespace

EXPORT void** __cudaRegisterFatBinary(void*) {
  static void* handle;
  return &handle;
}
EXPORT void __cudaRegisterFatBinaryEnd(void**) {}
EXPORT void __cudaUnregisterFatBinary(void**) {}
EXPORT void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
EXPORT void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int,
                                   void*, void*, void*, void*, int*) {
  const std::lock_guard lock(names_mutex);
  kernel_names()[function] = name;
}
EXPORT char __cudaInitModule(void**) { return 1; }
EXPORT cudaError_t __cudaGetKernel(void** kernel, const void* function) {
  *kernel = const_cast<void*>(function);
  return note(cudaSuccess);
}
EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared,
                                            cudaStream_t stream) {
  launch_shapes.push_back({grid, block, shared, stream});
  return 0;
}
EXPORT cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared,
                                              void* stream) {
  const LaunchShape shape = launch_shapes.back();
  launch_shapes.pop_back();
  *grid = shape.grid;
  *block = shape.block;
  *shared = shape.shared;
  *static_cast<cudaStream_t*>(stream) = shape.stream;
  return note(cudaSuccess);
}
EXPORT cudaError_t __cudaLaunchKernel(void* kernel, dim3 grid, dim3 block, void** arguments,
                                      std::size_t, cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, stream);
}
EXPORT cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                                    std::size_t, cudaStream_t stream) {
  return launch(function, grid, block, arguments, stream);
}
EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* shape, const void* function,
                                       void** arguments) {
  return launch(function, shape->gridDim, shape->blockDim, arguments, shape->stream);
}
EXPORT cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  std::memset(attributes, 0, sizeof *attributes);
  attributes->maxThreadsPerBlock = 1024;
  // Valley's kernels and LibTorch's are for 8.0 and newer.
  if (settings().major < 8) return note(cudaErrorNoKernelImageForDevice);
  attributes->numRegs = 32;
  attributes->binaryVersion = attributes->ptxVersion = 10 * settings().major + settings().minor;
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) {
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*,
                                                                          int, std::size_t,
                                                                          unsigned) {
  *blocks = 2;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned,
                                                    unsigned long long,
                                                    cudaDriverEntryPointQueryResult* result) {
  *function = nullptr;
  if (result != nullptr) *result = cudaDriverEntryPointSymbolNotFound;
  return note(cudaSuccess);
}

// For the operators and NCCL of the fake device.
namespace valley::fake {
cudaError_t add_task(cudaStream_t stream, Task task) {
  return note(stream_of(stream).add(std::move(task)));
}
bool is_capturing(cudaStream_t stream) { return stream_of(stream).capture() != nullptr; }
}  // namespace valley::fake
