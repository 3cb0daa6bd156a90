// Faults at a chosen one of this process's calls that change a file system: open(O_CREAT), mkdir,
// write, fsync, rename, unlink, unlinkat, rmdir. The test program's own definitions of these
// functions take the C library's place. One thread at a time.
#pragma once

#include <functional>

namespace valley::faults {

// `at_call` counts from 0 from here on.
void kill_at(int at_call);                    // SIGKILL; a write has then written half
void fail_at(int at_call, int error_number);  // likewise; removals neither count nor fail
void act_at(int at_call, std::function<void()> action);  // before the call, which then goes on

// Every fsync() and flock() fails with these numbers, 0: neither. Not counted.
void refuse(int flush_error, int lock_error);

// Ends it; returns the number of calls that counted.
int disarm();

}  // namespace valley::faults
