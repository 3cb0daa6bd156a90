// Forwards every call to another communicator; base class for communicators that inject faults or
// record calls.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "comm/communicator.h"

namespace valley::testing {

class ForwardingCommunicator : public Communicator {
 public:
  // `real` must outlive this object.
  explicit ForwardingCommunicator(Communicator& real) : real_(real) {}
  [[nodiscard]] int rank() const override { return real_.rank(); }
  [[nodiscard]] int size() const override { return real_.size(); }
  [[nodiscard]] int local_rank() const override { return real_.local_rank(); }
  [[nodiscard]] int local_size() const override { return real_.local_size(); }
  [[nodiscard]] at::Device device() const override { return real_.device(); }
  [[nodiscard]] std::string name() const override { return real_.name(); }
  [[nodiscard]] std::unique_ptr<Work> all_reduce(const at::Tensor& t, ReduceOp op) override {
    return real_.all_reduce(t, op);
  }
  [[nodiscard]] std::unique_ptr<Work> tree_reduce(const at::Tensor& t) override {
    return real_.tree_reduce(t);
  }
  [[nodiscard]] std::unique_ptr<Work> broadcast(const at::Tensor& t, int root) override {
    return real_.broadcast(t, root);
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
    real_.abort(why, exit_code);
    std::abort();
  }

 private:
  Communicator& real_;
};

}  // namespace valley::testing
