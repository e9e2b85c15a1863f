// What the primitive calls: each function reads and writes contiguous float32 arrays.
#include "attention.h"
#include "gated_unit.h"
#include "means.h"

using namespace hrm;
typedef const float* const* In;
typedef float* const* Out;
typedef const int64_t* Sizes;

extern "C" {

int hrm_columns() { return COLUMNS; }

// in: weight; sizes: first row, rows, width
void hrm_pack_transposed(In in, Out out, Sizes n, float) { pack_transposed(in[0] + n[0] * n[2], n[2], n[1], n[2], out[0]); }

// in: weight; sizes: rows, width
void hrm_pack(In in, Out out, Sizes n, float) { pack(in[0], n[1], n[0], n[1], out[0]); }

// sizes: rows, D, I, whether anything is kept
void hrm_gated_unit(In in, Out out, Sizes n, float eps) {
  gated_unit(n[0], n[1], n[2], eps, in[0], in[1], in[2], in[3], out[0], n[3] ? out[1] : nullptr, n[3] ? out[2] : nullptr);
}

void hrm_gated_unit_gradient(In in, Out out, Sizes n, float) {
  gated_unit_gradient(n[0], n[1], n[2], in[0], in[1], in[2], in[3], in[4], in[5], in[6], out[0], out[1], out[2]);
}

// sizes: B, L, D, H, whether there are rotary tables, first, whether anything is kept
void hrm_attention(In in, Out out, Sizes n, float eps) {
  const Rope rope = n[4] ? Rope{in[3], in[4]} : Rope{nullptr, nullptr};
  if (n[6]) attention(n[0], n[1], n[2], n[3], n[5], eps, in[0], in[1], in[2], rope, out[0], out[1], out[2], out[3], out[4]);
  else attention(n[0], n[1], n[2], n[3], n[5], eps, in[0], in[1], in[2], rope, out[0], nullptr, nullptr, nullptr, nullptr);
}

void hrm_attention_gradient(In in, Out out, Sizes n, float) {
  const Rope rope = n[4] ? Rope{in[9], in[10]} : Rope{nullptr, nullptr};
  attention_gradient(n[0], n[1], n[2], n[3], in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], rope, out[0],
                     out[1], out[2]);
}

// in: x, groups, a weight for each kind of groups, and one for the planes where these are averaged
// sizes: B, S, L, D, kinds, whether planes are averaged, whether anything is kept
void hrm_means(In in, Out out, Sizes n, float eps) {
  const Board board{n[0], n[1], n[2], n[3], n[4], n[5] != 0, in[1]};
  means(board, eps, in[0], in + 2, out[0], n[6] ? out[1] : nullptr);
}

// in: those of hrm_means after the gradient of y, y and the factor
void hrm_means_gradient(In in, Out out, Sizes n, float) {
  const Board board{n[0], n[1], n[2], n[3], n[4], n[5] != 0, in[4]};
  means_gradient(board, in[0], in[1], in[2], in[3], in + 5, out[0], out + 1);
}
}
