// Functions of the CUDA runtime for streams, events, captures and graphs.
#include <memory>

#include "counters.h"
#include "runtime_state.h"

using namespace valley::fake;

namespace {

std::shared_ptr<Event>& event_of(cudaEvent_t handle) {
  return *reinterpret_cast<std::shared_ptr<Event>*>(handle);
}

// Waiting for a stream or an event that is captured makes the capture invalid.
cudaError_t check_wait(const std::shared_ptr<Capture>& capture) {
  if (!capture) return check_unsafe_call();
  capture->error = cudaErrorStreamCaptureUnsupported;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace

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
