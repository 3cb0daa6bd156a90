// Host memory between the steps of training.
#pragma once

namespace valley {

// Keeps freed memory in this process for later allocations. By default glibc returns large tensors
// to the system when they are freed, so the next step faults in and clears each of their pages
// again. Process-wide; the peak grows by fragmentation only, and memory is held until the process
// ends. No effect without glibc.
void keep_freed_memory();

}  // namespace valley
