// y = rms(x + out(attention(x))) of x[B, L, D], with H heads of d = D / H and rotary positions, and its gradient.
// The gradient computes the scores anew, a block of queries at a time.
#pragma once

#include "norm.h"
#include "products.h"

namespace hrm {

// Rotary tables [L, d / 2], or null.
struct Rope {
  const float *cosines, *sines;
};

// Multiplies one head of a row by a number and rotates its pairs (i, i + d / 2), backwards with a direction of -1.
inline void rotate(float* x, const Rope& rope, long row, long d, float direction, float factor) {
  if (!rope.cosines) {
    scale(d, x, factor);
    return;
  }
  const long half = d / 2;
  const float *c = rope.cosines + row * half, *s = rope.sines + row * half;
  each_vector(half, [&](long i, auto get, auto put) {
    const Vector a = get(x + i), b = get(x + half + i), cosine = get(c + i) * factor, sine = get(s + i) * (direction * factor);
    put(x + i, a * cosine - b * sine);
    put(x + half + i, b * cosine + a * sine);
  });
}

// Turns a row of scores into their softmax, and returns the logarithm of the sum of their exponentials.
inline float softmax(long n, float* scores) {
  float top = scores[0];
  Vector tops = all(top);
  each_vector(n, [&](long i, auto get, auto) {
    if (i + WIDTH <= n) { const Vector v = get(scores + i); tops = v > tops ? v : tops; }
    else for (long j = i; j < n; j++) top = std::max(top, scores[j]);
  });
  top = std::max(top, highest(tops));
  float total = 0;
  Vector totals = {};
  each_vector(n, [&](long i, auto get, auto put) {
    const Vector e = exponential(get(scores + i) - top);
    put(scores + i, e);
    if (i + WIDTH <= n) totals += e;
    else for (long j = i; j < n; j++) total += scores[j];
  });
  total += sum(totals);
  scale(n, scores, 1 / total);
  return top + std::log(total);
}

// Answers for the first positions only, y[B, first, D]. Weights are packed, transposed: qkv [3 D, D], out [D, D].
// For the gradient are kept, unless null: qkv[B, L, 3 D], whose q and k are rotated and q is scaled, the heads' answers
// [B, L, D], and of each row of scores the logarithm [B, H, L] and of each sum the factor [B, L].
inline void attention(long B, long L, long D, long H, long first, float eps, const float* x, const float* qkv_weight,
                      const float* out_weight, Rope rope, float* y, float* qkv, float* answers, float* logarithms,
                      float* factor) {
  const long d = D / H, ldx = odd_width(D), ldq = odd_width(3 * D), lds = odd_width(L);
  const float shrink = 1 / std::sqrt(static_cast<float>(d));
  float* own = scratch(0).get(L * ldx);
  float* projected = scratch(1).get(L * ldq);
  float* heads = scratch(2).get(first * ldx);
  float* scores = scratch(3).get(BLOCK * lds);
  float* keys = scratch(4).get(packed_size(L, d));
  float* values = scratch(5).get(packed_size(d, L));
  float* out = scratch(6).get(BLOCK * ldx);
  for (long b = 0; b < B; b++) {
    for (long r = 0; r < L; r++) std::memcpy(own + r * ldx, x + (b * L + r) * D, 4 * D);
    for (long r = 0; r < L; r += BLOCK)
      multiply(std::min(BLOCK, L - r), 3 * D, D, own + r * ldx, ldx, qkv_weight, projected + r * ldq, ldq);
    for (long h = 0; h < H; h++) {
      float* q = projected + h * d;
      for (long r = 0; r < L; r++) {
        rotate(q + r * ldq, rope, r, d, 1, shrink);
        if (rope.cosines) rotate(q + r * ldq + D, rope, r, d, 1, 1);
      }
      pack_transposed(q + D, ldq, L, d, keys);
      pack(q + 2 * D, ldq, L, d, values);
      for (long r = 0; r < first; r += BLOCK) {
        const long count = std::min(BLOCK, first - r);
        multiply(count, L, d, q + r * ldq, ldq, keys, scores, lds);
        for (long i = 0; i < count; i++) {
          const float logarithm = softmax(L, scores + i * lds);
          if (logarithms) logarithms[(b * H + h) * L + r + i] = logarithm;
        }
        multiply(count, d, L, scores, lds, values, heads + r * ldx + h * d, ldx);
      }
    }
    for (long r = 0; r < first; r += BLOCK) {
      const long count = std::min(BLOCK, first - r);
      multiply(count, D, D, heads + r * ldx, ldx, out_weight, out, ldx);
      for (long i = 0; i < count; i++) {
        const float f = norm_of_sum(D, eps, own + (r + i) * ldx, out + i * ldx, y + (b * first + r + i) * D);
        if (factor) factor[b * L + r + i] = f;
      }
    }
    if (!qkv) continue;
    for (long r = 0; r < L; r++) {
      std::memcpy(qkv + (b * L + r) * 3 * D, projected + r * ldq, 12 * D);
      std::memcpy(answers + (b * L + r) * D, heads + r * ldx, 4 * D);
    }
  }
}

// From the gradient of one head's answers [L, d] to that of its q, k and v, [L, 3 D] in d_qkv.
inline void head_gradient(long L, long D, long d, const float* d_answers, long lda, const float* q, const float* answers,
                          const float* logarithms, float* d_qkv, long ldq) {
  const long lds = odd_width(L);
  float* weights = scratch(3).get(BLOCK * lds);
  float* d_scores = scratch(4).get(BLOCK * lds);
  float* keys = scratch(5).get(packed_size(L, d));
  float* values = scratch(6).get(packed_size(L, d));
  float* plain_keys = scratch(7).get(packed_size(d, L));
  pack_transposed(q + D, 3 * D, L, d, keys);
  pack_transposed(q + 2 * D, 3 * D, L, d, values);
  pack(q + D, 3 * D, L, d, plain_keys);
  for (long r = 0; r < L; r += BLOCK) {
    const long count = std::min(BLOCK, L - r);
    const float *queries = q + r * 3 * D, *given = d_answers + r * lda;
    multiply(count, L, d, queries, 3 * D, keys, weights, lds);
    multiply(count, L, d, given, lda, values, d_scores, lds);
    for (long i = 0; i < count; i++) {
      Vector products = {};
      each_vector(d, [&](long k, auto get, auto) { products += get(given + i * lda + k) * get(answers + (r + i) * D + k); });
      const float inner = sum(products);
      float *w = weights + i * lds, *s = d_scores + i * lds;
      each_vector(L, [&](long k, auto get, auto put) {
        const Vector weight = exponential(get(w + k) - logarithms[r + i]);
        put(w + k, weight);
        put(s + k, weight * (get(s + k) - inner));
      });
    }
    multiply(count, d, L, d_scores, lds, plain_keys, d_qkv + r * ldq, ldq);
    multiply_rows(count, L, d_scores, lds, d, queries, 3 * D, d_qkv + D, ldq, r > 0);
    multiply_rows(count, L, weights, lds, d, given, lda, d_qkv + 2 * D, ldq, r > 0);
  }
}

// Weights are packed as they are: qkv [3 D, D], out [D, D].
inline void attention_gradient(long B, long L, long D, long H, const float* dy, const float* y, const float* factor,
                               const float* x, const float* qkv, const float* answers, const float* logarithms,
                               const float* qkv_weight, const float* out_weight, Rope rope, float* dx,
                               float* d_qkv_weight, float* d_out_weight) {
  const long d = D / H, ldx = odd_width(D), ldq = odd_width(3 * D);
  const float shrink = 1 / std::sqrt(static_cast<float>(d));
  const long in_chunk = std::max(1L, std::min(B, CHUNK / L));
  float* d_sum = scratch(0).get(in_chunk * L * ldx);
  float* d_answers = scratch(1).get(L * ldx);
  float* d_qkv = scratch(2).get(in_chunk * L * ldq);
  for (long chunk = 0; chunk < B; chunk += in_chunk) {
    const long end = std::min(B, chunk + in_chunk), rows = (end - chunk) * L;
    for (long b = chunk; b < end; b++) {
      float *own_sum = d_sum + (b - chunk) * L * ldx, *own_qkv = d_qkv + (b - chunk) * L * ldq;
      for (long r = 0; r < L; r++) {
        const long row = b * L + r;
        norm_gradient(D, dy + row * D, y + row * D, factor[row], own_sum + r * ldx);
      }
      for (long r = 0; r < L; r += BLOCK)
        multiply(std::min(BLOCK, L - r), D, D, own_sum + r * ldx, ldx, out_weight, d_answers + r * ldx, ldx);
      for (long h = 0; h < H; h++) {
        float* own = own_qkv + h * d;
        head_gradient(L, D, d, d_answers + h * d, ldx, qkv + b * L * 3 * D + h * d, answers + b * L * D + h * d,
                      logarithms + (b * H + h) * L, own, ldq);
        for (long r = 0; r < L; r++) {
          rotate(own + r * ldq, rope, r, d, -1, shrink);
          if (rope.cosines) rotate(own + r * ldq + D, rope, r, d, -1, 1);
        }
      }
      for (long r = 0; r < L; r += BLOCK)
        multiply(std::min(BLOCK, L - r), D, 3 * D, own_qkv + r * ldq, ldq, qkv_weight, dx + (b * L + r) * D, D);
      for (long r = 0; r < L; r++) increase(D, dx + (b * L + r) * D, own_sum + r * ldx);
    }
    multiply_rows(rows, 3 * D, d_qkv, ldq, D, x + chunk * L * D, D, d_qkv_weight, D, chunk > 0);
    multiply_rows(rows, D, d_sum, ldx, D, answers + chunk * L * D, D, d_out_weight, D, chunk > 0);
  }
}

}  // namespace hrm
