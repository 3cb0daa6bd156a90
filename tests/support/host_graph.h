// WorkGraph on the host: stores the captured function and calls it again.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/work_graph.h"

namespace valley::testing {

class HostGraph : public WorkGraph {
 public:
  void run(const std::function<void()>& work) override { work(); }
  void record(const std::function<void()>& work) override { work_ = work; }
  void replay(std::int64_t times) override {
    for (std::int64_t i = 0; i < times; ++i) work_();
  }

 private:
  std::function<void()> work_;
};

}  // namespace valley::testing
