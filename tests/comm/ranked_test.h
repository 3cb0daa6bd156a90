// For test programs that mpirun starts on several ranks (ranked_main.cpp is their main). All ranks
// run the same tests in the same order, and the program fails on every rank when it fails on one.
// Inside a test, use EXPECT: an ASSERT that fails on one rank before a collective hangs the others.
#pragma once

#include <memory>

#include "comm/self_communicator.h"
#include "comm/world.h"

namespace valley::testing {

[[nodiscard]] World& world();

// One rank on the device of this one, for bitwise comparison with several ranks.
[[nodiscard]] inline std::unique_ptr<Communicator> one_rank() {
  return make_self_communicator(world().device().device());
}

}  // namespace valley::testing
