// For test programs that mpirun starts on several ranks (ranked_main.cpp is their main). All ranks
// run the same tests in the same order, and the program fails on every rank when it fails on one.
// Inside a test: no ASSERT that one rank alone can fail before a collective. EXPECT, and go on.
#pragma once

#include "comm/world.h"

namespace valley::testing {

[[nodiscard]] World& world();

}  // namespace valley::testing
