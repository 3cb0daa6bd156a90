// A communicator whose reductions cannot complete while a gate is shut.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "forwarding_communicator.h"

namespace valley::testing {

// Blocks `pass` while it is shut, and records the order of events.
class Gate {
 public:
  void shut() {
    const std::lock_guard lock(mutex_);
    is_open_ = is_broken_;
  }
  void open() {
    {
      const std::lock_guard lock(mutex_);
      is_open_ = true;
    }
    changed_.notify_all();
  }
  // After 10 s in a shut gate, records "stuck" and opens the gate permanently.
  void pass() {
    constexpr std::chrono::seconds kTooLong{10};
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kTooLong, [this] { return is_open_; })) return;
    is_open_ = is_broken_ = true;
    notes_.emplace_back("stuck");
  }
  // Repeated events are recorded once.
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (notes_.empty() || notes_.back() != what) notes_.push_back(what);
  }
  [[nodiscard]] std::vector<std::string> notes() {
    const std::lock_guard lock(mutex_);
    return notes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = true;
  bool is_broken_ = false;
  std::vector<std::string> notes_;
};

class GatedCommunicator final : public ForwardingCommunicator {
 public:
  GatedCommunicator(Communicator& real, Gate& gate) : ForwardingCommunicator(real), gate_(gate) {}

  [[nodiscard]] std::unique_ptr<Work> all_reduce(const at::Tensor& t, ReduceOp op) override {
    return std::make_unique<GatedWork>(ForwardingCommunicator::all_reduce(t, op), gate_);
  }

 private:
  class GatedWork final : public Work {
   public:
    GatedWork(std::unique_ptr<Work> real, Gate& gate) : real_(std::move(real)), gate_(gate) {}
    void wait() override {
      gate_.pass();
      real_->wait();
      gate_.note("summed");
    }

   private:
    std::unique_ptr<Work> real_;
    Gate& gate_;
  };

  Gate& gate_;
};

}  // namespace valley::testing
