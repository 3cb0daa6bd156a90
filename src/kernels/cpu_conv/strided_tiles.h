// Winograd transforms of one 5x5 tile, F(4x4, 2x2) with the points 0, 1, -1, 2 and infinity; each
// lane of a vector is a channel. Included only by strided_loops.h.
//
//         2 -1 -2  1  0          1/2    0          1  1  1  1  0
//         0 -2 -1  1  0         -1/2 -1/2          0  1 -1  2  0
//   B^T = 0  2 -3  1  0     G = -1/6  1/6    A^T = 0  1  1  4  0
//         0 -1  0  1  0          1/6  1/3          0  1 -1  8  1
//         0  2 -1 -2  1            0    1
#pragma once

#include "kernels/cpu_conv/strided_kernels.h"

namespace valley::kernels::cpu {

// B^T d
static inline void transform_phase(const Vector (&d)[kPhaseEdge], Vector (&t)[kPhaseEdge]) {
  t[3] = difference(d[3], d[1]);
  t[0] = plus(t[3], 2, difference(d[0], d[2]));
  t[1] = plus(difference(d[3], d[2]), -2, d[1]);
  t[2] = plus(plus(d[3], -3, d[2]), 2, d[1]);
  t[4] = plus(difference(d[4], d[2]), -2, t[3]);
}

// G g
static inline void transform_taps(const Vector (&g)[kPhaseTaps], Vector (&t)[kPhaseEdge]) {
  t[0] = scaled(g[0], 0.5F);
  t[1] = scaled(sum(g[0], g[1]), -0.5F);
  t[2] = scaled(difference(g[1], g[0]), 1.0F / 6);
  t[3] = scaled(plus(g[0], 2, g[1]), 1.0F / 6);
  t[4] = g[1];
}

// G^T m, the adjoint of transform_taps.
static inline void gather_taps(const Vector (&m)[kPhaseEdge], Vector (&g)[kPhaseTaps]) {
  g[0] = plus(scaled(difference(m[0], m[1]), 0.5F), 1.0F / 6, difference(m[3], m[2]));
  g[1] = plus(plus(m[4], -0.5F, m[1]), 1.0F / 6, plus(m[2], 2, m[3]));
}

// A^T m
static inline void transform_phase_output(const Vector (&m)[kPhaseEdge], Vector (&y)[kPhaseStep]) {
  const Vector even = sum(m[1], m[2]);
  const Vector odd = difference(m[1], m[2]);
  y[0] = sum(sum(m[0], even), m[3]);
  y[1] = plus(odd, 2, m[3]);
  y[2] = plus(even, 4, m[3]);
  y[3] = plus(sum(odd, m[4]), 8, m[3]);
}

// A y, the adjoint of transform_phase_output.
static inline void spread_phase_output(const Vector (&y)[kPhaseStep], Vector (&m)[kPhaseEdge]) {
  const Vector even = sum(y[0], y[2]);
  const Vector odd = sum(y[1], y[3]);
  m[0] = y[0];
  m[1] = sum(even, odd);
  m[2] = difference(even, odd);
  m[3] = plus(plus(y[0], 4, y[2]), 2, plus(y[1], 4, y[3]));
  m[4] = y[3];
}

}  // namespace valley::kernels::cpu
