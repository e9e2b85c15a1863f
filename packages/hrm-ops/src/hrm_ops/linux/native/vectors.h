// Vectors as wide as the processor has them, in GCC's own notation, and the exponential.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace hrm {

#if defined(__AVX512F__)
constexpr int WIDTH = 16, ROWS = 14;  // a tile of ROWS x 2 vectors leaves four of 32 registers for its operands
#elif defined(__AVX2__)
constexpr int WIDTH = 8, ROWS = 6;  // four of 16
#else
constexpr int WIDTH = 4, ROWS = 6;
#endif
constexpr int COLUMNS = 2 * WIDTH;

typedef float Vector __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Integers __attribute__((vector_size(4 * WIDTH)));
typedef float Unaligned __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

inline Vector load(const float* from) { return *(const Unaligned*)from; }
inline void store(float* to, Vector v) { *(Unaligned*)to = v; }
inline Vector all(float x) { return x - Vector{}; }

inline float sum(Vector v) {
  float total = 0;
  for (int i = 0; i < WIDTH; i++) total += v[i];
  return total;
}

inline float highest(Vector v) {
  float found = v[0];
  for (int i = 1; i < WIDTH; i++) found = v[i] > found ? v[i] : found;
  return found;
}

// Loads count numbers, fewer than a vector, and zeros.
inline Vector load_part(const float* from, long count) {
  Vector v = {};
  std::memcpy(&v, from, 4 * count);
  return v;
}
inline void store_part(float* to, Vector v, long count) { std::memcpy(to, &v, 4 * count); }

// Calls with the place and length of each vector of n numbers; only the last may be shorter than WIDTH.
template <typename Function>
inline void each_vector(long n, Function function) {
  long i = 0;
  for (; i + WIDTH <= n; i += WIDTH) function(i, [](const float* p) { return load(p); }, [](float* p, Vector v) { store(p, v); });
  if (const long rest = n - i; rest > 0)
    function(i, [rest](const float* p) { return load_part(p, rest); }, [rest](float* p, Vector v) { store_part(p, v, rest); });
}

// e**x with a relative error of 2e-7; from e**-87 to e**88, and nan for nan. Cephes' polynomial for |r| <= log(2) / 2.
inline Vector exponential(Vector x) {
  const Vector nan = x;
  x = x < -87.0f ? all(-87.0f) : x;
  x = x > 88.0f ? all(88.0f) : x;
  const float round = 12582912.0f;  // 1.5 * 2**23: adding it rounds to an integer, in the lowest bits
  const Vector shifted = x * 1.44269504f + round;
  const Vector n = shifted - round;
  Vector r = x - n * 0.693359375f;  // log(2) in two parts
  r = r + n * 2.12194440e-4f;
  Vector p = all(1.98756915e-4f);
  p = p * r + 1.39819995e-3f;
  p = p * r + 8.33345191e-3f;
  p = p * r + 4.16657959e-2f;
  p = p * r + 1.66666655e-1f;
  p = p * r + 5.00000012e-1f;
  p = p * (r * r) + r + 1.0f;
  const Vector power = (Vector)((Integers)p + ((Integers)shifted << 23));  // adds n to the exponent
  return nan != nan ? nan : power;
}

// 1 / x to the last bit but one, in a fraction of a division's time.
inline Vector reciprocal(Vector x) {
#if defined(__AVX512F__)
  const Vector r = __builtin_ia32_rcp14ps512_mask(x, Vector{}, -1);
  return r + r * (1.0f - x * r);
#elif defined(__AVX2__)
  const Vector r = __builtin_ia32_rcpps256(x);
  return r + r * (1.0f - x * r);
#else
  return 1.0f / x;
#endif
}

inline Vector sigmoid(Vector x) { return reciprocal(1.0f + exponential(-x)); }

}  // namespace hrm
