// How OpenMP's threads wait for one another.
#pragma once

namespace valley::app {

// Threads that wait spin by default, and take the time of those that work: of ranks that share a
// machine, and of a rank's own loader. libgomp reads OMP_WAIT_POLICY when it is loaded, before
// main; so where that and GOMP_SPINCOUNT are both unset, this sets them to sleep at once and starts
// the program anew in the same process. Only for commands that compute, with more than one thread;
// returns where there is nothing to do, or where the program cannot be started again.
void wait_passively(int argc, char** argv);

}  // namespace valley::app
