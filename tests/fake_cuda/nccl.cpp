// NCCL's functions that Valley calls, for processes on one host: over shared memory, as tasks of
// the stream that they are given, non-blocking where the communicator is.
//
// Sums are added in the order of the ranks. Ranks that make different calls end with a message, a
// process that is gone becomes an asynchronous error, as it does over NCCL's sockets.
#include <fcntl.h>
#include <nccl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "counters.h"
#include "device.h"
#include "nccl_shared.h"
#include "settings.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace valley::fake {
namespace {

constexpr std::size_t kGradients = 1000;  // elements: smaller sums are not gradients

}  // namespace
}  // namespace valley::fake

using namespace valley::fake;

struct ncclComm {
  int rank = 0;
  int size = 0;
  int device = 0;
  bool is_blocking = true;
  Shared* shared = nullptr;
  std::atomic<int> state{ncclInProgress};
  std::string text;  // ncclGetLastError

  // Waits for something that other ranks do. Never returns if one of them is gone.
  template <typename Condition>
  void wait_for(const Condition& condition) {
    for (int i = 0; !condition(); ++i) {
      if (i < 100) {
        std::this_thread::yield();
        continue;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      if (i % 200 != 0) continue;
      for (int r = 0; r < size; ++r) {
        const int process = shared->places[r].process;
        if (process != 0 && ::kill(process, 0) != 0) {
          text = "rank " + std::to_string(r) + " has closed its connection";
          state = ncclRemoteError;
          hang();
        }
      }
    }
  }

  void barrier() {
    const int round = shared->round;
    if (shared->arrived.fetch_add(1) + 1 == size) {
      shared->arrived = 0;
      ++shared->round;
      return;
    }
    wait_for([&] { return shared->round != round; });
  }

  void agree(const Call& call) {
    shared->places[rank].call = call;
    barrier();
    for (int r = 0; r < size; ++r) {
      const Call& other = shared->places[r].call;
      if (!(other == call))
        give_up("NCCL: rank " + std::to_string(rank) + " made call " +
                std::to_string(static_cast<int>(call.kind)) + " of " + std::to_string(call.count) +
                " elements, and rank " + std::to_string(r) + " call " +
                std::to_string(static_cast<int>(other.kind)) + " of " +
                std::to_string(other.count));
    }
    barrier();
  }

  void run(const Call& call, const char* from, char* to) {
    agree(call);
    const std::size_t bytes = call.count * size_of(call.type);
    count_work(kNames[static_cast<int>(call.kind)], bytes);
    for (std::size_t done = 0; done < bytes; done += kChunk) {
      const std::size_t n = std::min(kChunk, bytes - done);
      if (call.kind != Kind::kBroadcast || rank == call.root)
        std::memcpy(shared->places[rank].data, from + done, n);
      barrier();
      switch (call.kind) {
        case Kind::kAllReduce:
          std::memcpy(to + done, shared->places[0].data, n);
          for (int r = 1; r < size; ++r) reduce(call, to + done, shared->places[r].data, n);
          break;
        case Kind::kBroadcast:
          std::memcpy(to + done, shared->places[call.root].data, n);
          break;
        default:
          for (int r = 0; r < size; ++r)
            std::memcpy(to + static_cast<std::size_t>(r) * bytes + done, shared->places[r].data, n);
      }
      barrier();
    }
  }

  void exchange(std::vector<Transfer> transfers) {
    for (const Transfer& t : transfers)
      if (t.sends) count_work("NCCL send", t.bytes);
    wait_for([&] {
      bool all = true;
      for (Transfer& t : transfers) {
        Mailbox& box = t.sends ? shared->mail[rank][t.peer] : shared->mail[t.peer][rank];
        if (t.done < t.bytes && box.is_full == (t.sends ? 0 : 1)) {
          const std::size_t n = t.sends ? std::min(kChunk, t.bytes - t.done) : box.bytes;
          if (t.sends) {
            std::memcpy(box.data, t.from + t.done, n);
            box.bytes = n;
          } else {
            if (n > t.bytes - t.done) give_up("NCCL: ncclRecv got more than it asked for");
            std::memcpy(t.to + t.done, box.data, n);
          }
          box.is_full = t.sends ? 1 : 0;
          t.done += n;
        }
        all = all && t.done == t.bytes;
      }
      return all;
    });
  }

  // Queues a task, later and on a thread of its own where the communicator is non-blocking.
  ncclResult_t queue(cudaStream_t stream, std::function<void()> task) {
    if (state != ncclSuccess)
      return state == ncclInProgress ? ncclInvalidUsage : static_cast<ncclResult_t>(state.load());
    if (fails_now("nccl-error")) {
      text = "an error was injected";
      task = [this] {
        state = ncclRemoteError;
        hang();
      };
    }
    if (fails_now("nccl-hang")) task = [] { hang(); };
    count_call("NCCL", stream);
    if (is_blocking || is_capturing(stream))
      return add_task(stream, std::move(task)) == cudaSuccess ? ncclSuccess
                                                              : ncclUnhandledCudaError;
    state = ncclInProgress;
    std::thread([this, stream, device = device, task = std::move(task)]() mutable {
      static thread_local std::mt19937_64 random(std::random_device{}());
      if (settings().seed != 0)
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
      cudaSetDevice(device);
      const cudaError_t error = add_task(stream, std::move(task));
      int expected = ncclInProgress;
      state.compare_exchange_strong(expected,
                                    error == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError);
    }).detach();
    return ncclInProgress;
  }
};

namespace {

thread_local int group_depth = 0;
thread_local std::vector<Transfer> group;
thread_local ncclComm_t group_comm = nullptr;
thread_local cudaStream_t group_stream = nullptr;

void connect(ncclComm* comm, const std::string& name) {
  const int file = ::shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Shared)) != 0) give_up("NCCL: no shared memory " + name);
  comm->shared = static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  ::close(file);
  Place& own = comm->shared->places[comm->rank];
  own.device = comm->device;
  const char* host_id = std::getenv("NCCL_HOSTID");
  std::snprintf(own.host_id, sizeof own.host_id, "%s", host_id == nullptr ? "" : host_id);
  own.process = ::getpid();
  comm->barrier();
  ::shm_unlink(name.c_str());
  for (int a = 0; a < comm->size; ++a) {
    for (int b = 0; b < a; ++b) {
      const Place& x = comm->shared->places[a];
      const Place& y = comm->shared->places[b];
      if (x.device == y.device && std::strcmp(x.host_id, y.host_id) == 0) {
        comm->text =
            "Duplicate GPU detected : rank " + std::to_string(b) + " and rank " + std::to_string(a);
        comm->state = ncclInvalidUsage;
        return;
      }
    }
  }
  comm->state = ncclSuccess;
}

ncclResult_t start(const Call& call, const void* from, void* to, ncclComm_t comm,
                   cudaStream_t stream) {
  const bool poisons = call.kind == Kind::kAllReduce && call.type == ncclFloat32 &&
                       call.count >= kGradients && fails_now("nan");
  return comm->queue(stream, [=] {
    if (poisons) *static_cast<float*>(to) = std::numeric_limits<float>::quiet_NaN();
    comm->run(call, static_cast<const char*>(from), static_cast<char*>(to));
  });
}

}  // namespace

EXPORT ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

EXPORT ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, 0, sizeof *id);
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  std::snprintf(id->internal, sizeof id->internal, "/valley-fake-nccl-%d-%lld", ::getpid(),
                static_cast<long long>(now));
  return ncclSuccess;
}

EXPORT ncclResult_t ncclCommInitRankConfig(ncclComm_t* out, int size, ncclUniqueId id, int rank,
                                           ncclConfig_t* config) {
  if (size > kMaxRanks) return ncclInvalidArgument;
  auto* comm = new ncclComm;
  comm->rank = rank;
  comm->size = size;
  comm->is_blocking = config == nullptr || config->blocking != 0;
  cudaGetDevice(&comm->device);
  *out = comm;
  const std::string name = id.internal;
  if (comm->is_blocking) {
    connect(comm, name);
    return static_cast<ncclResult_t>(comm->state.load());
  }
  std::thread([comm, name] { connect(comm, name); }).detach();
  return ncclInProgress;
}

EXPORT ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  *state = static_cast<ncclResult_t>(comm->state.load());
  return ncclSuccess;
}

EXPORT ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                                  ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return start({Kind::kAllReduce, count, type, op, 0}, from, to, comm, stream);
}

EXPORT ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type,
                                  int root, ncclComm_t comm, cudaStream_t stream) {
  return start({Kind::kBroadcast, count, type, ncclSum, root}, from, to, comm, stream);
}

EXPORT ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type,
                                  ncclComm_t comm, cudaStream_t stream) {
  return start({Kind::kAllGather, count, type, ncclSum, 0}, from, to, comm, stream);
}

EXPORT ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

EXPORT ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return ncclInvalidUsage;
  if (--group_depth > 0 || group.empty()) return ncclSuccess;
  std::vector<Transfer> transfers;
  transfers.swap(group);
  ncclComm_t comm = group_comm;
  return comm->queue(group_stream, [comm, transfers] { comm->exchange(transfers); });
}

EXPORT ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer,
                             ncclComm_t comm, cudaStream_t stream) {
  if (group_depth == 0) return ncclInvalidUsage;  // Valley sends in groups alone
  group.push_back({true, static_cast<const char*>(from), nullptr, count * size_of(type), peer});
  group_comm = comm;
  group_stream = stream;
  return ncclSuccess;
}

EXPORT ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                             cudaStream_t stream) {
  if (group_depth == 0) return ncclInvalidUsage;
  group.push_back({false, nullptr, static_cast<char*>(to), count * size_of(type), peer});
  group_comm = comm;
  group_stream = stream;
  return ncclSuccess;
}

EXPORT ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  return static_cast<ncclResult_t>(comm->state.load());
}
EXPORT ncclResult_t ncclCommDestroy(ncclComm_t) { return ncclSuccess; }
EXPORT ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->state = ncclInvalidUsage;
  return ncclSuccess;
}

EXPORT const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "unhandled cuda error";
  }
}
EXPORT const char* ncclGetLastError(ncclComm_t comm) {
  return comm == nullptr ? "" : comm->text.c_str();
}
