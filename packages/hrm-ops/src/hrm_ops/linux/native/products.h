// Matrix products. The right factor is packed: in panels of COLUMNS columns, each row by row, the last filled up with
// zeros. A weight is packed once for all products with it. The left factor is read as it is, a tile of ROWS rows at a
// time; the rows of a tile should not be a multiple of 4 KiB apart, which is why scratch memory has odd widths.
#pragma once

#include <cstdlib>
#include <new>

#include "vectors.h"

namespace hrm {

constexpr long DEPTH = 256;                   // of the part of a panel that stays in the first cache
constexpr long BLOCK = 84 / ROWS * ROWS;      // rows that are taken through several products while they are in a cache
constexpr long CHUNK = 4 * BLOCK;             // rows over which the gradient of a weight is summed at once

inline long rounded_up(long n, long unit) { return (n + unit - 1) / unit * unit; }
inline long odd_width(long n) { return rounded_up(n, COLUMNS) + WIDTH; }
inline long packed_size(long columns, long depth) { return rounded_up(columns, COLUMNS) * depth; }

// Memory of a thread that stays for the next call.
class Scratch {
 public:
  float* get(long count) {
    if (count > count_) {
      std::free(memory_);
      count_ = 0;
      memory_ = static_cast<float*>(std::aligned_alloc(64, rounded_up(4 * count, 64)));
      if (!memory_) throw std::bad_alloc();
      count_ = count;
    }
    return memory_;
  }
  ~Scratch() { std::free(memory_); }

 private:
  float* memory_ = nullptr;
  long count_ = 0;
};

inline Scratch& scratch(int number) {
  static thread_local Scratch all[10];
  return all[number];
}

// One tile of the product, M x COLUMNS. The left factor has rows `lead` apart or, transposed, is packed by pack_rows.
template <int M, bool transposed>
__attribute__((noinline)) void tile(long depth, const float* a, long lead, const float* b, float* c, long ldc, bool add) {
  Vector sums[M][2];
  for (int i = 0; i < M; i++)
    for (int j = 0; j < 2; j++) sums[i][j] = add ? load(c + i * ldc + j * WIDTH) : Vector{};
  const float* rows[4] = {a, a + 4 * lead, a + 8 * lead, a + 12 * lead};  // few enough for registers
  const long second = lead, third = 2 * lead, fourth = 3 * lead;
  for (long k = 0; k < depth; k++) {
    const Vector left = load(b), right = load(b + WIDTH);
    __builtin_prefetch(b + 64 * COLUMNS);  // far enough for the third cache
    b += COLUMNS;
#pragma GCC unroll 16
    for (int i = 0; i < M; i++) {
      const float* row = rows[i / 4];
      const float x = transposed ? a[i] : i % 4 == 0 ? row[0] : i % 4 == 1 ? row[second] : i % 4 == 2 ? row[third] : row[fourth];
      sums[i][0] += x * left;
      sums[i][1] += x * right;
    }
    if (transposed) a += ROWS;
    else for (auto& row : rows) row++;
  }
  for (int i = 0; i < M; i++)
    for (int j = 0; j < 2; j++) store(c + i * ldc + j * WIDTH, sums[i][j]);
}

template <bool transposed, int M = ROWS>
inline void tile_of(int rows, long depth, const float* a, long lead, const float* b, float* c, long ldc, bool add) {
  if constexpr (M > 0) {
    if (rows == M) tile<M, transposed>(depth, a, lead, b, c, ldc, add);
    else tile_of<transposed, M - 1>(rows, depth, a, lead, b, c, ldc, add);
  }
}

// c[M, N] = a b, or is increased by it.
template <bool transposed = false>
void multiply(long M, long N, long K, const float* a, long lead, const float* b, float* c, long ldc, bool add = false) {
  alignas(64) float edge[ROWS * COLUMNS] = {};
  for (long j = 0; j < N; j += COLUMNS, b += K * COLUMNS) {
    const int columns = std::min<long>(COLUMNS, N - j);
    for (long k = 0; k < K; k += DEPTH) {
      const long depth = std::min(DEPTH, K - k);
      const bool adds = add || k > 0;
      for (long i = 0; i < M; i += ROWS) {
        const int rows = std::min<long>(ROWS, M - i);
        const float* from = transposed ? a + i * K + k * ROWS : a + i * lead + k;
        float* to = c + i * ldc + j;
        if (columns == COLUMNS) {
          tile_of<transposed>(rows, depth, from, lead, b + k * COLUMNS, to, ldc, adds);
          continue;
        }
        if (adds) for (int r = 0; r < rows; r++) std::memcpy(edge + r * COLUMNS, to + r * ldc, 4 * columns);
        tile_of<transposed>(rows, depth, from, lead, b + k * COLUMNS, edge, COLUMNS, adds);
        for (int r = 0; r < rows; r++) std::memcpy(to + r * ldc, edge + r * COLUMNS, 4 * columns);
      }
    }
  }
}

// Packs b[K, N] as a right factor.
inline void pack(const float* b, long ldb, long K, long N, float* to) {
  for (long j = 0; j < N; j += COLUMNS) {
    const long columns = std::min<long>(COLUMNS, N - j);
    for (long k = 0; k < K; k++, to += COLUMNS) {
      if (columns == COLUMNS) {
        store(to, load(b + k * ldb + j));
        store(to + WIDTH, load(b + k * ldb + j + WIDTH));
      } else {
        std::memcpy(to, b + k * ldb + j, 4 * columns);
        std::memset(to + columns, 0, 4 * (COLUMNS - columns));
      }
    }
  }
}

// Packs the transpose of w[N, K] as a right factor, one square of vectors at a time.
inline void pack_transposed(const float* w, long ldw, long N, long K, float* to) {
  for (long j = 0; j < N; j += COLUMNS, to += K * COLUMNS)
    for (long k = 0; k < K; k += WIDTH) {
      const int depth = std::min<long>(WIDTH, K - k);
      for (long half = 0; half < COLUMNS; half += WIDTH) {
        alignas(64) float square[WIDTH][WIDTH] = {};
        const int rows = std::max(0L, std::min<long>(WIDTH, N - j - half));
        for (int r = 0; r < rows; r++) std::memcpy(square[r], w + (j + half + r) * ldw + k, 4 * depth);
        for (int c = 0; c < depth; c++) {
          Vector column;
          for (int r = 0; r < WIDTH; r++) column[r] = square[r][c];
          store(to + (k + c) * COLUMNS + half, column);
        }
      }
    }
}

// Packs a[K, M] as a transposed left factor.
inline void pack_rows(const float* a, long lda, long K, long M, float* to) {
  for (long i = 0; i < M; i += ROWS) {
    const int columns = std::min<long>(ROWS, M - i);
    for (long k = 0; k < K; k++, to += ROWS) {
      if (columns == ROWS) std::memcpy(to, a + k * lda + i, 4 * ROWS);
      else std::memcpy(to, a + k * lda + i, 4 * columns);
    }
  }
}

// Gradient of a weight: c[M, N] = the sum over rows of a[rows, M] b[rows, N], or is increased by it.
inline void multiply_rows(long rows, long M, const float* a, long lda, long N, const float* b, long ldb, float* c,
                          long ldc, bool add) {
  float* left = scratch(8).get(rounded_up(M, ROWS) * rows);
  float* right = scratch(9).get(packed_size(N, rows));
  pack_rows(a, lda, rows, M, left);
  pack(b, ldb, rows, N, right);
  for (long i = 0; i < M; i += BLOCK)
    multiply<true>(std::min(BLOCK, M - i), N, rows, left + i * rows, ROWS, right, c + i * ldc, ldc, add);
}

}  // namespace hrm
