// y = rms(x + the maps of means over groups of positions + the map of the mean over planes) of x[B, S, L, D], and its
// gradient. Every kind of groups divides the positions: groups[kind, L] says in which group each stands.
#pragma once

#include <vector>

#include "norm.h"
#include "products.h"

namespace hrm {

struct Board {
  long B, S, L, D, kinds;
  bool planes;              // whether there is a mean over planes
  const float* groups;      // [kinds, L]

  long group(long kind, long position) const { return static_cast<long>(groups[kind * L + position]); }
  // The first group of each kind, if all are numbered on, and how many there are.
  std::vector<long> first_groups() const {
    std::vector<long> first = {0};
    for (long k = 0; k < kinds; k++) {
      long count = 0;
      for (long l = 0; l < L; l++) count = std::max(count, group(k, l) + 1);
      first.push_back(first.back() + count);
    }
    return first;
  }
};

// Sums of rows x[L, D] over every group, sums[groups, D].
inline void sum_groups(const Board& board, const std::vector<long>& first, const float* x, float* sums, long lds) {
  std::memset(sums, 0, 4 * first.back() * lds);
  for (long k = 0; k < board.kinds; k++)
    for (long l = 0; l < board.L; l++) increase(board.D, sums + (first[k] + board.group(k, l)) * lds, x + l * board.D);
}

// Turns sums into means: divides each by the number of its members.
inline void divide_groups(const Board& board, const std::vector<long>& first, float* sums, long lds) {
  std::vector<float> members(first.back());
  for (long k = 0; k < board.kinds; k++)
    for (long l = 0; l < board.L; l++) members[first[k] + board.group(k, l)]++;
  for (long g = 0; g < first.back(); g++) scale(board.D, sums + g * lds, 1 / members[g]);
}

// sum[L, D] of the planes x[S, L, D].
inline void sum_planes(const Board& board, const float* x, float* sum, long lds) {
  for (long l = 0; l < board.L; l++) {
    std::memcpy(sum + l * lds, x + l * board.D, 4 * board.D);
    for (long s = 1; s < board.S; s++) increase(board.D, sum + l * lds, x + (s * board.L + l) * board.D);
  }
}

// Weights [D, D] are packed, transposed; those of the kinds, then that of the planes. factor[B, S, L] is kept, unless null.
inline void means(const Board& board, float eps, const float* x, const float* const* weights, float* y, float* factor) {
  const auto [B, S, L, D, kinds, planes, groups] = board;
  const auto first = board.first_groups();
  const long ldx = odd_width(D), count = first.back();
  float* averages = scratch(0).get(std::max(count, L) * ldx);
  float* mapped = scratch(1).get(count * ldx);
  float* of_planes = scratch(2).get(L * ldx);
  float* added = scratch(3).get(D);
  for (long b = 0; b < B; b++) {
    const float* own = x + b * S * L * D;
    if (planes) {
      sum_planes(board, own, averages, ldx);
      for (long l = 0; l < L; l++) scale(D, averages + l * ldx, 1.0f / S);
      multiply(L, D, D, averages, ldx, weights[kinds], of_planes, ldx);
    }
    for (long s = 0; s < S; s++) {
      const float* plane = own + s * L * D;
      sum_groups(board, first, plane, averages, ldx);
      divide_groups(board, first, averages, ldx);
      for (long k = 0; k < kinds; k++)
        multiply(first[k + 1] - first[k], D, D, averages + first[k] * ldx, ldx, weights[k], mapped + first[k] * ldx, ldx);
      for (long l = 0; l < L; l++) {
        if (planes) std::memcpy(added, of_planes + l * ldx, 4 * D);
        else std::memset(added, 0, 4 * D);
        for (long k = 0; k < kinds; k++) increase(D, added, mapped + (first[k] + board.group(k, l)) * ldx);
        const long row = (b * S + s) * L + l;
        const float f = norm_of_sum(D, eps, plane + l * D, added, y + row * D);
        if (factor) factor[row] = f;
      }
    }
  }
}

// Weights are packed as they are. Their gradients are d_weights, in the same order.
inline void means_gradient(const Board& board, const float* dy, const float* y, const float* factor, const float* x,
                           const float* const* weights, float* dx, float* const* d_weights) {
  const auto [B, S, L, D, kinds, planes, groups] = board;
  const auto first = board.first_groups();
  const long ldx = odd_width(D), count = first.back();
  // One row for every group of every plane of an example, so that there are many for the gradient of a weight.
  float* averages = scratch(0).get(S * count * ldx);
  float* d_mapped = scratch(1).get(S * count * ldx);
  float* d_averages = scratch(2).get(std::max(count, L) * ldx);
  float* of_planes = scratch(3).get(L * ldx);
  float* d_planes = scratch(4).get(L * ldx);
  for (long b = 0; b < B; b++) {
    const long start = b * S * L;
    float* own = dx + start * D;
    for (long row = start; row < start + S * L; row++)
      norm_gradient(D, dy + row * D, y + row * D, factor[row], dx + row * D);
    if (planes) {
      sum_planes(board, own, d_planes, ldx);
      sum_planes(board, x + start * D, of_planes, ldx);
      for (long l = 0; l < L; l++) scale(D, of_planes + l * ldx, 1.0f / S);
      multiply_rows(L, D, d_planes, ldx, D, of_planes, ldx, d_weights[kinds], D, b > 0);
    }
    // The kinds' rows of all planes lie together.
    for (long s = 0; s < S; s++) {
      sum_groups(board, first, own + s * L * D, d_averages, ldx);
      for (long k = 0; k < kinds; k++) {
        const long size = first[k + 1] - first[k];
        std::memcpy(d_mapped + (S * first[k] + s * size) * ldx, d_averages + first[k] * ldx, 4 * size * ldx);
      }
      sum_groups(board, first, x + (start + s * L) * D, d_averages, ldx);
      divide_groups(board, first, d_averages, ldx);
      for (long k = 0; k < kinds; k++) {
        const long size = first[k + 1] - first[k];
        std::memcpy(averages + (S * first[k] + s * size) * ldx, d_averages + first[k] * ldx, 4 * size * ldx);
      }
    }
    for (long k = 0; k < kinds; k++) {
      const long size = first[k + 1] - first[k], at = S * first[k] * ldx;
      multiply_rows(S * size, D, d_mapped + at, ldx, D, averages + at, ldx, d_weights[k], D, b > 0);
      multiply(S * size, D, D, d_mapped + at, ldx, weights[k], averages + at, ldx);
    }
    if (planes) {
      multiply(L, D, D, d_planes, ldx, weights[kinds], of_planes, ldx);
      for (long l = 0; l < L; l++) scale(D, of_planes + l * ldx, 1.0f / S);
    }
    for (long s = 0; s < S; s++) {
      for (long k = 0; k < kinds; k++) {
        const long size = first[k + 1] - first[k];
        std::memcpy(d_averages + first[k] * ldx, averages + (S * first[k] + s * size) * ldx, 4 * size * ldx);
      }
      divide_groups(board, first, d_averages, ldx);
      for (long l = 0; l < L; l++) {
        float* to = own + (s * L + l) * D;
        if (planes) increase(D, to, of_planes + l * ldx);
        for (long k = 0; k < kinds; k++) increase(D, to, d_averages + (first[k] + board.group(k, l)) * ldx);
      }
    }
  }
}

}  // namespace hrm
