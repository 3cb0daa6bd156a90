// Compiled for AVX-512 regardless of the rest of the program; called only on CPUs that have it.
#include "kernels/cpu_conv/small_channel_kernels.h"

#if VALLEY_WIDE_VECTORS

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma")
#include "kernels/cpu_conv/avx512.h"
// Uses the vectors of the header above.
#include "kernels/cpu_conv/small_channel_loops.h"

namespace valley::kernels::cpu {

const SmallChannelKernels& small_channel_avx512() { return kSmallChannelKernels; }

}  // namespace valley::kernels::cpu

#pragma GCC pop_options

#endif
