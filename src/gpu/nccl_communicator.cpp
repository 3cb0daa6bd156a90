#include "gpu/nccl_communicator.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <utility>

#include "comm/cuda_check.h"
#include "comm/tensor_check.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/log.h"
#include "core/pause.h"
#include "core/text.h"
#include "gpu/nccl_check.h"

namespace valley {
namespace {

using Clock = std::chrono::steady_clock;
using c10::cuda::CUDAStream;

// Limit on the scratch memory of tree_reduce; larger tensors are processed in pieces.
constexpr std::int64_t kTreePieceBytes = std::int64_t{32} << 20;

// CUDA event without timing.
class Event {
 public:
  Event() { CHECK_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;

  void record(const CUDAStream& stream) { CHECK_CUDA(cudaEventRecord(event_, stream.stream())); }
  void hold_back(const CUDAStream& stream) const {
    CHECK_CUDA(cudaStreamWaitEvent(stream.stream(), event_, 0));
  }
  // False also after an error of the device, which the calls that train report. Any thread, even
  // while another one captures a graph.
  bool has_passed() const {
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    cudaThreadExchangeStreamCaptureMode(&mode);
    const cudaError_t state = cudaEventQuery(event_);
    cudaThreadExchangeStreamCaptureMode(&mode);
    if (state != cudaSuccess) static_cast<void>(cudaGetLastError());
    return state == cudaSuccess;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// The moments of one collective.
class NcclCall final : public DeviceCall {
 public:
  explicit NcclCall(at::Device device) : device_(device) {}

  Event ready;  // recorded before the collective
  Event done;

  bool is_reached() const override { return has_passed(ready); }
  bool is_done() const override { return has_passed(done); }

 private:
  // Another thread must not make a context on GPU 0.
  bool has_passed(const Event& event) const {
    const c10::cuda::CUDAGuard on_device(device_);
    return event.has_passed();
  }

  at::Device device_;
};

ncclDataType_t nccl_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kLong:
      return ncclInt64;
    case at::kInt:
      return ncclInt32;
    default:
      return ncclUint8;
  }
}

ncclRedOp_t nccl_op(ReduceOp op) {
  switch (op) {
    case ReduceOp::kMin:
      return ncclMin;
    case ReduceOp::kMax:
      return ncclMax;
    default:
      return ncclSum;
  }
}

void warn_of_another_nccl() {
  int loaded = 0;
  CHECK_NCCL(ncclGetVersion(&loaded));
  if (loaded == NCCL_VERSION_CODE) return;
  log::warn(
      "NCCL {} is loaded, but Valley was compiled against {}; the "
      "library path (LD_LIBRARY_PATH, LD_PRELOAD) finds another NCCL than LibTorch's",
      nccl_version_text(loaded), nccl_version_text(NCCL_VERSION_CODE));
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& host, at::Device device, std::chrono::seconds timeout);
  ~NcclCommunicator() override;
  NcclCommunicator(NcclCommunicator&&) = delete;
  NcclCommunicator& operator=(NcclCommunicator&&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }
  at::Device device() const override { return device_; }
  std::string name() const override { return "nccl"; }

  std::unique_ptr<Work> all_reduce(const at::Tensor& tensor, ReduceOp op) override;
  std::unique_ptr<Work> tree_reduce(const at::Tensor& tensor) override;
  std::unique_ptr<Work> broadcast(const at::Tensor& tensor, int root) override;
  std::unique_ptr<Work> all_gather(const at::Tensor& in, const at::Tensor& out) override;
  void barrier() override;
  void check_health() override;
  void wait_until(const std::function<bool()>& is_ready, const std::string& what) override;
  void abort(const std::string& why, int exit_code) override {
    log::error("{}: {}", this_rank(), why);
    abort_job(exit_code);
  }

 private:
  template <typename Enqueue>
  std::unique_ptr<Work> queue(std::initializer_list<at::Tensor> tensors, Enqueue enqueue);
  void exchange_and_add(const at::Tensor& piece, const at::Tensor& scratch, int partner);
  // The first result that is not ncclInProgress; calls `fail`, which throws, after `timeout`.
  template <typename Fail>
  ncclResult_t wait_while_in_progress(ncclResult_t result, const Fail& fail);
  // Waits until NCCL has queued the work of `call`.
  void settle(ncclResult_t result, const char* call);
  void connect(Communicator& host);

  at::Device device_;
  std::chrono::seconds timeout_;
  int rank_, size_, local_rank_, local_size_;
  int exceptions_when_built_ = std::uncaught_exceptions();
  CUDAStream stream_;
  ncclComm_t comm_ = nullptr;
  at::Tensor token_;    // reduced by barrier
  at::Tensor scratch_;  // receive buffer of tree_reduce: bytes, allocated on stream_
};

class NcclWork final : public Work {
 public:
  NcclWork(NcclCommunicator& communicator, std::shared_ptr<const NcclCall> call)
      : communicator_(communicator), call_(std::move(call)) {}

  void wait() override {
    communicator_.check_health();
    call_->done.hold_back(c10::cuda::getCurrentCUDAStream(communicator_.device().index()));
  }
  std::shared_ptr<const DeviceCall> on_device() const override { return call_; }

 private:
  NcclCommunicator& communicator_;
  std::shared_ptr<const NcclCall> call_;
};

NcclCommunicator::NcclCommunicator(Communicator& host, at::Device device,
                                   std::chrono::seconds timeout)
    : device_(device),
      timeout_(timeout),
      rank_(host.rank()),
      size_(host.size()),
      local_rank_(host.local_rank()),
      local_size_(host.local_size()),
      stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index())) {
  warn_of_another_nccl();
  const c10::cuda::CUDAGuard on_device(device_);
  token_ = at::zeros({1}, at::TensorOptions(device_).dtype(at::kInt));
  connect(host);
  // NCCL connects the GPUs in the first collective: make it here, before ranks read data.
  barrier();
}

void NcclCommunicator::connect(Communicator& host) {
  ncclUniqueId id{};
  if (rank_ == 0) CHECK_NCCL(ncclGetUniqueId(&id));
  host.broadcast(at::from_blob(id.internal, {NCCL_UNIQUE_ID_BYTES}, at::kByte), 0)->wait();

  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclResult_t result = ncclCommInitRankConfig(&comm_, size_, id, rank_, &config);
  result = wait_while_in_progress(result, [&] {
    throw Error(ExitCode::kRankLost,
                "{} could not connect to the other {} ranks over NCCL within {} s "
                "(performance.rank_timeout); a rank is lost "
                "or its network cannot be reached: start again with NCCL_DEBUG=INFO, and with "
                "NCCL_SOCKET_IFNAME naming the interface where hosts have several",
                this_rank(), size_ - 1, timeout_.count());
  });
  if (result != ncclSuccess) {
    fail_nccl(result, ncclGetLastError(comm_), "ncclCommInitRankConfig", __FILE__, __LINE__);
  }
}

NcclCommunicator::~NcclCommunicator() {
  // All of this could wait for other ranks; during stack unwinding the job is about to end.
  if (comm_ == nullptr || std::uncaught_exceptions() > exceptions_when_built_) return;
  ncclResult_t result = ncclSuccess;
  ncclCommGetAsyncError(comm_, &result);
  if (result != ncclSuccess) {
    ncclCommAbort(comm_);
    return;
  }
  const auto deadline = Clock::now() + timeout_;
  result = ncclCommFinalize(comm_);
  for (Pause pause; result == ncclInProgress && Clock::now() < deadline; pause()) {
    if (ncclCommGetAsyncError(comm_, &result) != ncclSuccess) return;
  }
  if (result == ncclSuccess) ncclCommDestroy(comm_);
}

template <typename Fail>
ncclResult_t NcclCommunicator::wait_while_in_progress(ncclResult_t result, const Fail& fail) {
  const auto deadline = Clock::now() + timeout_;
  for (Pause pause; result == ncclInProgress; pause()) {
    if (Clock::now() > deadline) fail();
    CHECK_NCCL(ncclCommGetAsyncError(comm_, &result));
  }
  return result;
}

void NcclCommunicator::settle(ncclResult_t result, const char* call) {
  result = wait_while_in_progress(result, [&] {
    throw Error(ExitCode::kRankLost,
                "{}: {} could not be started within {} s (performance.rank_timeout); another rank "
                "is lost, or did not make "
                "the same call: see the other ranks' messages, and start again with "
                "NCCL_DEBUG=INFO",
                this_rank(), call, timeout_.count());
  });
  if (result != ncclSuccess) fail_nccl(result, ncclGetLastError(comm_), call, __FILE__, __LINE__);
}

void NcclCommunicator::check_health() {
  ncclResult_t result = ncclSuccess;
  CHECK_NCCL(ncclCommGetAsyncError(comm_, &result));
  if (result != ncclSuccess && result != ncclInProgress) {
    fail_nccl(result, ncclGetLastError(comm_), "a pending collective", __FILE__, __LINE__);
  }
}

template <typename Enqueue>
std::unique_ptr<Work> NcclCommunicator::queue(std::initializer_list<at::Tensor> tensors,
                                              Enqueue enqueue) {
  const c10::cuda::CUDAGuard on_device(device_);
  const auto call = std::make_shared<NcclCall>(device_);
  call->ready.record(c10::cuda::getCurrentCUDAStream(device_.index()));
  call->ready.hold_back(stream_);
  enqueue();
  call->done.record(stream_);
  for (const at::Tensor& tensor : tensors) {
    c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream_);
  }
  return std::make_unique<NcclWork>(*this, call);
}

std::unique_ptr<Work> NcclCommunicator::all_reduce(const at::Tensor& tensor, ReduceOp op) {
  check_reducible(*this, "all_reduce", tensor);
  return queue({tensor}, [&] {
    if (tensor.numel() == 0) return;
    void* data = tensor.mutable_data_ptr();
    settle(ncclAllReduce(data, data, static_cast<std::size_t>(tensor.numel()),
                         nccl_type(tensor.scalar_type()), nccl_op(op), comm_, stream_.stream()),
           "ncclAllReduce");
  });
}

std::unique_ptr<Work> NcclCommunicator::tree_reduce(const at::Tensor& tensor) {
  check_tree(*this, tensor);
  return queue({tensor}, [&] {
    const at::NoGradGuard no_grad;
    const c10::cuda::CUDAStreamGuard on_stream(stream_);
    const std::int64_t item = static_cast<std::int64_t>(tensor.element_size());
    const std::int64_t step = std::min(kTreePieceBytes / item, tensor.numel());
    if (!scratch_.defined() || scratch_.numel() < step * item) {
      // A multiple of every element size: a later call may have another type.
      const std::int64_t bytes = (step * item + 7) / 8 * 8;
      scratch_ = at::empty({bytes}, at::TensorOptions(device_).dtype(at::kByte));
    }
    // Elements in memory order, for any strides.
    const at::Tensor flat =
        tensor.detach().as_strided({tensor.numel()}, {1}, tensor.storage_offset());
    const at::Tensor received = scratch_.view(tensor.scalar_type());
    for (std::int64_t done = 0; done < tensor.numel(); done += step) {
      const std::int64_t count = std::min(step, tensor.numel() - done);
      for (int distance = 1; distance < size_; distance *= 2) {
        exchange_and_add(flat.narrow(0, done, count), received.narrow(0, 0, count),
                         rank_ ^ distance);
      }
    }
  });
}

// Both partners add the same two numbers, and a + b is b + a to the bit.
void NcclCommunicator::exchange_and_add(const at::Tensor& piece, const at::Tensor& scratch,
                                        int partner) {
  const auto count = static_cast<std::size_t>(piece.numel());
  const ncclDataType_t type = nccl_type(piece.scalar_type());
  CHECK_NCCL(ncclGroupStart());
  CHECK_NCCL(ncclSend(piece.const_data_ptr(), count, type, partner, comm_, stream_.stream()));
  CHECK_NCCL(ncclRecv(scratch.mutable_data_ptr(), count, type, partner, comm_, stream_.stream()));
  settle(ncclGroupEnd(), "ncclSend and ncclRecv");
  at::Tensor sum = piece;
  sum.add_(scratch);
}

std::unique_ptr<Work> NcclCommunicator::broadcast(const at::Tensor& tensor, int root) {
  check_broadcast(*this, tensor, root);
  return queue({tensor}, [&] {
    if (tensor.numel() == 0) return;
    void* data = tensor.mutable_data_ptr();
    settle(ncclBroadcast(data, data, tensor.nbytes(), ncclUint8, root, comm_, stream_.stream()),
           "ncclBroadcast");
  });
}

std::unique_ptr<Work> NcclCommunicator::all_gather(const at::Tensor& in, const at::Tensor& out) {
  check_gather(*this, in, out);
  return queue({in, out}, [&] {
    if (in.numel() == 0) return;
    settle(ncclAllGather(in.const_data_ptr(), out.mutable_data_ptr(), in.nbytes(), ncclUint8, comm_,
                         stream_.stream()),
           "ncclAllGather");
  });
}

void NcclCommunicator::barrier() {
  const std::unique_ptr<Work> work = all_reduce(token_, ReduceOp::kMax);
  wait_until(
      [&] {
        const cudaError_t state = cudaStreamQuery(stream_.stream());
        if (state != cudaErrorNotReady) CHECK_CUDA(state);
        return state == cudaSuccess;
      },
      "the other ranks in a barrier");
  work->wait();
}

void NcclCommunicator::wait_until(const std::function<bool()>& is_ready, const std::string& what) {
  const auto deadline = Clock::now() + timeout_;
  for (Pause pause; !is_ready(); pause()) {
    check_health();
    if (Clock::now() > deadline) {
      throw Error(ExitCode::kRankLost,
                  "{} waited {} s for {}; see the other ranks' messages for one that is lost or "
                  "hangs, and start again; if there is none, raise performance.rank_timeout",
                  this_rank(), timeout_.count(), what);
    }
  }
}

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host, at::Device device,
                                                     std::chrono::seconds timeout) {
  return std::make_unique<NcclCommunicator>(host, device, timeout);
}

}  // namespace valley
