// Memory of the host between the passes of a training.
#pragma once

namespace valley {

// From now on memory that is freed stays with this process, for its next allocation of that size.
// Without it glibc returns a pass's large tensors to the system as they are freed, and the next
// pass has each of their pages faulted in and cleared again. Process-wide; the peak stays what it
// was but for fragments, and is held until the process ends. Nothing but with glibc.
void keep_freed_memory();

}  // namespace valley
