// y = rms(x + down(silu(gate(x)) * up(x))) of x[rows, D], with an inner width I, and its gradient.
#pragma once

#include "norm.h"
#include "products.h"

namespace hrm {

// Weights are packed, transposed. For the gradient, gate_up[rows, 2 I] and factor[rows] are kept, unless null.
inline void gated_unit(long rows, long D, long I, float eps, const float* x, const float* gate, const float* up,
                       const float* down, float* y, float* gate_up, float* factor) {
  const long ldx = odd_width(D), ldh = odd_width(I);
  float* own = scratch(0).get(BLOCK * ldx);
  float* hidden = scratch(1).get(BLOCK * ldh);
  float* out = scratch(2).get(BLOCK * ldx);
  alignas(64) float gates[BLOCK * COLUMNS], ups[BLOCK * COLUMNS];
  for (long start = 0; start < rows; start += BLOCK) {
    const long count = std::min(BLOCK, rows - start);
    for (long r = 0; r < count; r++) std::memcpy(own + r * ldx, x + (start + r) * D, 4 * D);
    for (long j = 0; j < I; j += COLUMNS) {
      multiply(count, COLUMNS, D, own, ldx, gate + j * D, gates, COLUMNS);
      multiply(count, COLUMNS, D, own, ldx, up + j * D, ups, COLUMNS);
      for (long r = 0; r < count; r++)
        for (long i = r * COLUMNS; i < (r + 1) * COLUMNS; i += WIDTH) {
          const Vector g = load(gates + i);
          store(hidden + r * ldh + j + i - r * COLUMNS, g * sigmoid(g) * load(ups + i));
        }
      if (!gate_up) continue;
      const long bytes = 4 * std::min<long>(COLUMNS, I - j);
      for (long r = 0; r < count; r++) {
        float* kept = gate_up + (start + r) * 2 * I + j;
        std::memcpy(kept, gates + r * COLUMNS, bytes);
        std::memcpy(kept + I, ups + r * COLUMNS, bytes);
      }
    }
    multiply(count, D, I, hidden, ldh, down, out, ldx);
    for (long r = 0; r < count; r++) {
      const float f = norm_of_sum(D, eps, own + r * ldx, out + r * ldx, y + (start + r) * D);
      if (factor) factor[start + r] = f;
    }
  }
}

// Weights are packed as they are: gate and up together [2 I, D], down [D, I].
inline void gated_unit_gradient(long rows, long D, long I, const float* dy, const float* y, const float* factor,
                                const float* x, const float* gate_up, const float* gate_up_weight,
                                const float* down_weight, float* dx, float* d_gate_up_weight, float* d_down_weight) {
  const long ldr = odd_width(D), ldh = odd_width(I), ld2 = odd_width(2 * I);
  float* d_sum = scratch(0).get(CHUNK * ldr);
  float* hidden = scratch(1).get(CHUNK * ldh);
  float* d_gate_up = scratch(2).get(CHUNK * ld2);
  alignas(64) float d_hidden[BLOCK * COLUMNS];
  for (long chunk = 0; chunk < rows; chunk += CHUNK) {
    const long in_chunk = std::min(CHUNK, rows - chunk);
    for (long block = 0; block < in_chunk; block += BLOCK) {
      const long count = std::min(BLOCK, in_chunk - block), start = chunk + block;
      for (long r = 0; r < count; r++) {
        const long row = start + r;
        norm_gradient(D, dy + row * D, y + row * D, factor[row], d_sum + (block + r) * ldr);
      }
      for (long j = 0; j < I; j += COLUMNS) {
        multiply(count, COLUMNS, D, d_sum + block * ldr, ldr, down_weight + j * D, d_hidden, COLUMNS);
        for (long r = 0; r < count; r++) {
          const float* gates = gate_up + (start + r) * 2 * I + j;
          float* h = hidden + (block + r) * ldh + j;
          float* dg = d_gate_up + (block + r) * ld2 + j;
          each_vector(std::min<long>(COLUMNS, I - j), [&](long i, auto get, auto put) {
            const Vector g = get(gates + i), u = get(gates + I + i), d = get(d_hidden + r * COLUMNS + i);
            const Vector s = sigmoid(g), silu = g * s;
            put(h + i, silu * u);
            put(dg + i, d * u * (s + silu * (1.0f - s)));
            put(dg + I + i, d * silu);
          });
        }
      }
      multiply(count, D, 2 * I, d_gate_up + block * ld2, ld2, gate_up_weight, dx + start * D, D);
      for (long r = 0; r < count; r++) increase(D, dx + (start + r) * D, d_sum + (block + r) * ldr);
    }
    multiply_rows(in_chunk, 2 * I, d_gate_up, ld2, D, x + chunk * D, D, d_gate_up_weight, D, chunk > 0);
    multiply_rows(in_chunk, D, d_sum, ldr, I, hidden, ldh, d_down_weight, I, chunk > 0);
  }
}

}  // namespace hrm
