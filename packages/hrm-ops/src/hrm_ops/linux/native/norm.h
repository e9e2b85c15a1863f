// The norm of a sum, y = (x + r) / rms(x + r), and its gradient.
#pragma once

#include "vectors.h"

namespace hrm {

// Returns what the sum is multiplied by.
inline float norm_of_sum(long D, float eps, const float* x, const float* r, float* y) {
  Vector squares = {};
  each_vector(D, [&](long i, auto get, auto put) {
    const Vector v = get(x + i) + get(r + i);
    put(y + i, v);
    squares += v * v;
  });
  const float factor = 1 / std::sqrt(sum(squares) / D + eps);
  each_vector(D, [&](long i, auto get, auto put) { put(y + i, get(y + i) * factor); });
  return factor;
}

// The gradient of the sum from that of y.
inline void norm_gradient(long D, const float* dy, const float* y, float factor, float* dr) {
  Vector products = {};
  each_vector(D, [&](long i, auto get, auto) { products += get(dy + i) * get(y + i); });
  const float inner = sum(products) / D;
  each_vector(D, [&](long i, auto get, auto put) { put(dr + i, (get(dy + i) - get(y + i) * inner) * factor); });
}

inline void scale(long n, float* x, float by) {
  each_vector(n, [&](long i, auto get, auto put) { put(x + i, get(x + i) * by); });
}

inline void increase(long n, float* to, const float* by) {
  each_vector(n, [&](long i, auto get, auto put) { put(to + i, get(to + i) + get(by + i)); });
}

}  // namespace hrm
