// Sleeping instead of spinning OpenMP threads.
#pragma once

namespace valley::app {

// Waiting OpenMP threads spin by default, which takes CPU time from other ranks of the host and
// from the loader. libgomp reads OMP_WAIT_POLICY when it is loaded, before main. If OMP_WAIT_POLICY
// and GOMP_SPINCOUNT are unset, sets them and executes the program again in the same process. Only
// for commands that compute, with more than one thread; otherwise, or if exec fails, returns.
void wait_passively(int argc, char** argv);

}  // namespace valley::app
