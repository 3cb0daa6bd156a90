// For test programs that mpirun starts on several ranks (ranked_main.cpp is their main). All ranks
// run the same tests in the same order, and the program fails on every rank when it fails on one.
// Inside a test: no ASSERT that one rank alone can fail before a collective. EXPECT, and go on.
#pragma once

#include <memory>

#include "comm/self_communicator.h"
#include "comm/world.h"

namespace valley::testing {

[[nodiscard]] World& world();

// One rank on the device of this one: what several ranks are compared with to the bit.
[[nodiscard]] inline std::unique_ptr<Communicator> one_rank() {
  return make_self_communicator(world().device().device());
}

}  // namespace valley::testing
