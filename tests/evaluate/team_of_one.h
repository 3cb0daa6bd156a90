// A rank of its own, with any number of threads.
#pragma once

#include <memory>

#include "comm/self_communicator.h"
#include "evaluate/blocks.h"

namespace valley {

struct TeamOfOne {
  explicit TeamOfOne(int threads = 2)
      : communicator(make_self_communicator(at::kCPU)), team{communicator.get(), threads, {}} {}
  std::unique_ptr<Communicator> communicator;
  Team team;
};

}  // namespace valley
