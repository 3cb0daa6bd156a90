#include "comm/self_communicator.h"

#include "comm/tensor_check.h"
#include "comm/world.h"
#include "core/log.h"

namespace valley {
namespace {

class SelfCommunicator final : public Communicator {
 public:
  explicit SelfCommunicator(at::Device device) : device_(device) {}

  int rank() const override { return 0; }
  int size() const override { return 1; }
  int local_rank() const override { return 0; }
  int local_size() const override { return 1; }
  at::Device device() const override { return device_; }
  std::string name() const override { return "self"; }

  std::unique_ptr<Work> all_reduce(const at::Tensor& tensor, ReduceOp /*op*/) override {
    check_reducible(*this, "all_reduce", tensor);
    return std::make_unique<FinishedWork>();
  }

  std::unique_ptr<Work> tree_reduce(const at::Tensor& tensor) override {
    check_tree(*this, tensor);
    return std::make_unique<FinishedWork>();
  }

  std::unique_ptr<Work> broadcast(const at::Tensor& tensor, int root) override {
    check_broadcast(*this, tensor, root);
    return std::make_unique<FinishedWork>();
  }

  std::unique_ptr<Work> all_gather(const at::Tensor& in, const at::Tensor& out) override {
    check_gather(*this, in, out);
    out.view(in.sizes()).copy_(in, /*non_blocking=*/true);
    return std::make_unique<FinishedWork>();
  }

  void barrier() override {}

  void abort(const std::string& why, int exit_code) override {
    log::error("{}: {}", this_rank(), why);
    abort_job(exit_code);
  }

 private:
  at::Device device_;
};

}  // namespace

std::unique_ptr<Communicator> make_self_communicator(at::Device device) {
  return std::make_unique<SelfCommunicator>(device);
}

}  // namespace valley
