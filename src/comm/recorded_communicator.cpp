#include "comm/recorded_communicator.h"

#include <utility>

#include "comm/device_calls.h"
#include "flight/flight_recorder.h"

namespace valley {
namespace {

// The recorder knows a call as long as this lives, or until it has ended on the device.
class Call {
 public:
  Call(int channel, const CollectiveCall& call)
      : channel_(channel), number_(flight_recorder().enter(channel, call)) {}
  ~Call() {
    if (!has_left_) flight_recorder().leave(channel_, number_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void leave_to_device() {
    flight_recorder().leave_to_device(channel_, number_);
    has_left_ = true;
  }
  std::int64_t number() const { return number_; }

 private:
  int channel_;
  std::int64_t number_;
  bool has_left_ = false;
};

CollectiveCall call_of(CollectiveKind kind, const at::Tensor& tensor, int detail) {
  if (!tensor.defined()) return {kind, "", 0, 0, detail};  // the call itself reports that
  return {kind, std::string(at::toString(tensor.scalar_type())), tensor.numel(),
          static_cast<std::int64_t>(tensor.nbytes()), detail};
}

class RecordedCommunicator final : public Communicator {
 public:
  RecordedCommunicator(std::unique_ptr<Communicator> inner, int channel)
      : inner_(std::move(inner)), channel_(channel) {}

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  int local_rank() const override { return inner_->local_rank(); }
  int local_size() const override { return inner_->local_size(); }
  at::Device device() const override { return inner_->device(); }
  std::string name() const override { return inner_->name(); }

  std::unique_ptr<Work> all_reduce(const at::Tensor& tensor, ReduceOp op) override {
    return record(call_of(CollectiveKind::kAllReduce, tensor, static_cast<int>(op)),
                  [&] { return inner_->all_reduce(tensor, op); });
  }
  std::unique_ptr<Work> tree_reduce(const at::Tensor& tensor) override {
    return record(call_of(CollectiveKind::kTreeReduce, tensor, 0),
                  [&] { return inner_->tree_reduce(tensor); });
  }
  std::unique_ptr<Work> broadcast(const at::Tensor& tensor, int root) override {
    return record(call_of(CollectiveKind::kBroadcast, tensor, root),
                  [&] { return inner_->broadcast(tensor, root); });
  }
  std::unique_ptr<Work> all_gather(const at::Tensor& in, const at::Tensor& out) override {
    return record(call_of(CollectiveKind::kAllGather, in, 0),
                  [&] { return inner_->all_gather(in, out); });
  }
  void barrier() override {
    const Call call(channel_, {CollectiveKind::kBarrier, "", 0, 0, 0});
    inner_->barrier();
  }
  void check_health() override { inner_->check_health(); }
  void wait_until(const std::function<bool()>& is_ready, const std::string& what) override {
    inner_->wait_until(is_ready, what);
  }
  void abort(const std::string& why, int exit_code) override { inner_->abort(why, exit_code); }

 private:
  template <typename Make>
  std::unique_ptr<Work> record(const CollectiveCall& recorded, const Make& make) {
    Call call(channel_, recorded);
    std::unique_ptr<Work> work = make();
    if (auto on_device = work->on_device()) {
      if (!device_calls_) device_calls_ = std::make_unique<DeviceCalls>(channel_);
      call.leave_to_device();
      device_calls_->add(call.number(), std::move(on_device));
    }
    return work;
  }

  std::unique_ptr<Communicator> inner_;
  int channel_;
  std::unique_ptr<DeviceCalls> device_calls_;  // null until a call is queued
};

}  // namespace

std::unique_ptr<Communicator> record_calls(std::unique_ptr<Communicator> communicator,
                                           int channel) {
  return std::make_unique<RecordedCommunicator>(std::move(communicator), channel);
}

}  // namespace valley
