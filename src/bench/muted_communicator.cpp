#include "bench/muted_communicator.h"

#include "comm/world.h"
#include "core/log.h"

namespace valley {
namespace {

class NoWork : public Work {
 public:
  void wait() override {}
};

class MutedCommunicator : public Communicator {
 public:
  explicit MutedCommunicator(Communicator& real) : real_(real) {}

  [[nodiscard]] int rank() const override { return real_.rank(); }
  [[nodiscard]] int size() const override { return real_.size(); }
  [[nodiscard]] int local_rank() const override { return real_.local_rank(); }
  [[nodiscard]] int local_size() const override { return real_.local_size(); }
  [[nodiscard]] at::Device device() const override { return real_.device(); }
  [[nodiscard]] std::string name() const override { return "muted"; }
  [[nodiscard]] std::unique_ptr<Work> all_reduce(const at::Tensor& /*tensor*/,
                                                 ReduceOp /*op*/) override {
    return std::make_unique<NoWork>();
  }
  [[nodiscard]] std::unique_ptr<Work> tree_reduce(const at::Tensor& /*tensor*/) override {
    return std::make_unique<NoWork>();
  }
  [[nodiscard]] std::unique_ptr<Work> broadcast(const at::Tensor& /*tensor*/,
                                                int /*root*/) override {
    return std::make_unique<NoWork>();
  }
  [[nodiscard]] std::unique_ptr<Work> all_gather(const at::Tensor& in,
                                                 const at::Tensor& out) override {
    return real_.all_gather(in, out);
  }
  void barrier() override { real_.barrier(); }
  void check_health() override { real_.check_health(); }
  void wait_until(const std::function<bool()>& is_ready, const std::string& what) override {
    real_.wait_until(is_ready, what);
  }
  [[noreturn]] void abort(const std::string& why, int exit_code) override {
    log::error("{}", why);
    abort_job(exit_code);
  }

 private:
  Communicator& real_;
};

}  // namespace

std::unique_ptr<Communicator> make_muted_communicator(Communicator& real) {
  return std::make_unique<MutedCommunicator>(real);
}

}  // namespace valley
