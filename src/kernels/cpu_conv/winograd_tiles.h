// Winograd transforms of one 6x6 tile, F(4x4, 3x3) with the points 0, 1, -1, 2, -2 and infinity
// (Lavin & Gray 2016, arXiv 1509.09308, section 4.3, with its matrices B, G and A); each lane of a
// vector is a channel. Included only by winograd_loops.h.
#pragma once

#include "kernels/cpu_conv/winograd_kernels.h"

namespace valley::kernels::cpu {

// B^T d
static inline void transform_input(const Vector (&d)[kEdge], Vector (&t)[kEdge]) {
  const Vector even = plus(d[4], -4, d[2]);
  const Vector odd = plus(d[3], -4, d[1]);
  const Vector even2 = difference(d[4], d[2]);
  const Vector odd2 = scaled(difference(d[3], d[1]), 2);
  t[0] = plus(plus(d[4], -5, d[2]), 4, d[0]);
  t[1] = sum(even, odd);
  t[2] = difference(even, odd);
  t[3] = sum(even2, odd2);
  t[4] = difference(even2, odd2);
  t[5] = plus(plus(d[5], -5, d[3]), 4, d[1]);
}

// G g
static inline void transform_weight(const Vector (&g)[kTaps], Vector (&t)[kEdge]) {
  const Vector ends = sum(g[0], g[2]);
  const Vector wide = plus(scaled(g[0], 1.0F / 24), 1.0F / 6, g[2]);
  t[0] = scaled(g[0], 0.25F);
  t[1] = scaled(sum(ends, g[1]), -1.0F / 6);
  t[2] = scaled(difference(ends, g[1]), -1.0F / 6);
  t[3] = plus(wide, 1.0F / 12, g[1]);
  t[4] = plus(wide, -1.0F / 12, g[1]);
  t[5] = g[2];
}

// G^T m, the adjoint of transform_weight.
static inline void gather_weight(const Vector (&m)[kEdge], Vector (&g)[kTaps]) {
  const Vector near = sum(m[1], m[2]);
  const Vector far = sum(m[3], m[4]);
  g[0] = plus(plus(scaled(m[0], 0.25F), -1.0F / 6, near), 1.0F / 24, far);
  g[1] = plus(scaled(difference(m[2], m[1]), 1.0F / 6), 1.0F / 12, difference(m[3], m[4]));
  g[2] = plus(plus(m[5], -1.0F / 6, near), 1.0F / 6, far);
}

// A^T m
static inline void transform_output(const Vector (&m)[kEdge], Vector (&y)[kStep]) {
  const Vector near = sum(m[1], m[2]);
  const Vector far = sum(m[3], m[4]);
  const Vector near_odd = difference(m[1], m[2]);
  const Vector far_odd = difference(m[3], m[4]);
  y[0] = sum(sum(m[0], near), far);
  y[1] = plus(near_odd, 2, far_odd);
  y[2] = plus(near, 4, far);
  y[3] = sum(plus(near_odd, 8, far_odd), m[5]);
}

// Sum of outputs 1 and 2, and of outputs 3 and 4; neither depends on m[kZero].
static inline void transform_output_sums(const Vector (&m)[kEdge], Vector (&y)[kStep / 2]) {
  const Vector near = scaled(m[1], 2);
  y[0] = difference(plus(sum(m[0], near), 3, m[3]), m[4]);
  y[1] = plus(plus(sum(near, m[5]), 12, m[3]), -4, m[4]);
}

// A y, the adjoint of transform_output.
static inline void spread_output(const Vector (&y)[kStep], Vector (&m)[kEdge]) {
  const Vector even = sum(y[0], y[2]);
  const Vector odd = sum(y[1], y[3]);
  const Vector even2 = plus(y[0], 4, y[2]);
  const Vector odd2 = scaled(plus(y[1], 4, y[3]), 2);
  m[0] = y[0];
  m[1] = sum(even, odd);
  m[2] = difference(even, odd);
  m[3] = sum(even2, odd2);
  m[4] = difference(even2, odd2);
  m[5] = y[3];
}

}  // namespace valley::kernels::cpu
