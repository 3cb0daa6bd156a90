// Faults at a chosen call of this process that changes a file system: open(O_CREAT), mkdir,
// write, fsync, rename, unlink, unlinkat, rmdir. The test program's definitions of these
// functions replace those of the C library. One thread at a time.
#pragma once

#include <functional>

namespace valley::faults {

// `at_call` counts from 0 from here on.
void kill_at(int at_call);                    // SIGKILL; a write has written half by then
void fail_at(int at_call, int error_number);  // likewise; removals neither count nor fail
void act_at(int at_call, std::function<void()> action);  // before the call, which then continues

// Every fsync() and flock() fails with these error numbers (0: succeeds). Not counted.
void refuse(int flush_error, int lock_error);

// Ends injection; returns the number of counted calls.
int disarm();

}  // namespace valley::faults
