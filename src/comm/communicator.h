// Collectives between the ranks of a job.
//
// Contract: every call but `abort` is collective, made by all ranks in the same order with equal
// shapes and types. Tensors are contiguous (or dense in memory) and on `device()`. A call runs
// after work already queued on the calling thread's stream; its result is ready for work queued
// after `Work::wait`. On CPUs the call has then finished. One thread calls at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "core/pause.h"

namespace valley {

enum class ReduceOp { kSum, kMin, kMax };

// A collective that is queued on a device. Any thread may ask; the answers do not block.
class DeviceCall {
 public:
  virtual ~DeviceCall() = default;
  // Work of this rank that was queued before the collective has ended.
  [[nodiscard]] virtual bool is_reached() const = 0;
  [[nodiscard]] virtual bool is_done() const = 0;
};

// A pending collective.
class Work {
 public:
  virtual ~Work() = default;
  // Null if the collective had ended when the call that made it returned.
  [[nodiscard]] virtual std::shared_ptr<const DeviceCall> on_device() const { return nullptr; }
  // Orders work queued later on the calling stream after the collective. Does not block the host
  // for CUDA tensors.
  virtual void wait() = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const = 0;  // 0 .. size - 1
  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual int local_rank() const = 0;  // among the ranks of this host
  [[nodiscard]] virtual int local_size() const = 0;
  [[nodiscard]] virtual at::Device device() const = 0;
  [[nodiscard]] virtual std::string name() const = 0;  // "self", "mpi", "nccl"

  // Element-wise reduction of `tensor` over all ranks, in place.
  [[nodiscard]] virtual std::unique_ptr<Work> all_reduce(const at::Tensor& tensor, ReduceOp op) = 0;

  // Sum over all ranks in a fixed binary tree, in place: rank r's partner in round i is r xor 2^i.
  // Bitwise equal on every rank, and for any power-of-two number of ranks that hold subtrees of the
  // same tree. std::logic_error if the number of ranks is not a power of two.
  [[nodiscard]] virtual std::unique_ptr<Work> tree_reduce(const at::Tensor& tensor) = 0;

  [[nodiscard]] virtual std::unique_ptr<Work> broadcast(const at::Tensor& tensor, int root) = 0;

  // out: [size, ...in.shape], row r from rank r; both contiguous.
  [[nodiscard]] virtual std::unique_ptr<Work> all_gather(const at::Tensor& in,
                                                         const at::Tensor& out) = 0;

  virtual void barrier() = 0;  // returns after all ranks have called it; blocks the host

  // Throws Error (kRankLost) once the backend has noticed that the job cannot continue. Not
  // collective; any thread; never blocks.
  virtual void check_health() {}

  // Blocks the host until `is_ready` returns true, as a result of work that was queued before.
  // Throws Error (kRankLost) if the backend notices meanwhile that the job cannot continue, and
  // after its timeout. `what` completes "rank 0 waited 600 s for ...".
  virtual void wait_until(const std::function<bool()>& is_ready, const std::string& /*what*/) {
    for (Pause pause; !is_ready(); pause()) check_health();
  }

  // Ends the whole job immediately from any one rank, with `exit_code`; never returns, never hangs.
  // Logs `why` first. Any thread.
  [[noreturn]] virtual void abort(const std::string& why, int exit_code) = 0;
};

}  // namespace valley
