#include "kernels/host_memory.h"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace valley {

void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);         // blocks of their own are unmapped when they are freed
  ::mallopt(M_TRIM_THRESHOLD, -1);  // never shrink the heap
#endif
}

}  // namespace valley
