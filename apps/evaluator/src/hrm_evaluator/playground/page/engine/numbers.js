"use strict";
// Numbers: matrix products, norms and exponentials. Results are float32; sums within one are taken in float64.

class Matrix {
  /** A linear map without offset, from a table [outputs, inputs]; four outputs at a time are stored side by side. */
  constructor({ values, rows: outputs, columns: inputs }) {
    this.outputs = outputs;
    this.inputs = inputs;
    this.panels = new Float64Array(Math.ceil(outputs / 4) * 4 * inputs);
    for (let output = 0; output < outputs; output++) {
      for (let input = 0; input < inputs; input++) {
        this.panels[(output & ~3) * inputs + 4 * input + (output & 3)] = values[output * inputs + input];
      }
    }
    this.four = new Float64Array(4 * inputs);
  }

  /** Maps the rows of x [rows, inputs] into out [rows, outputs], four at a time. */
  map(x, rows, out) {
    const { inputs, outputs, panels, four } = this, sums = new Float64Array(16);
    for (let row = 0; row < rows; row += 4) {
      const count = Math.min(4, rows - row);
      for (let i = 0; i < 4; i++) {
        const from = (row + i) * inputs;
        for (let k = 0; k < inputs; k++) four[4 * k + i] = i < count ? x[from + k] : 0;
      }
      for (let output = 0; output < outputs; output += 4) {
        multiply(four, panels, output * inputs, sums);
        const width = Math.min(4, outputs - output);
        for (let i = 0, from = 0, to = row * outputs + output; i < count; i++, from += 4, to += outputs) {
          out[to] = sums[from];
          if (width > 1) out[to + 1] = sums[from + 1];
          if (width > 2) out[to + 2] = sums[from + 2];
          if (width > 3) out[to + 3] = sums[from + 3];
        }
      }
    }
  }
}

/**
 * The sixteen sums of products of four rows with four outputs, which stand side by side: each number that is read
 * serves four products. A row's sums do not depend on the rows beside it.
 */
function multiply(four, panels, panel, sums) {
  let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
  let c0 = 0, c1 = 0, c2 = 0, c3 = 0, d0 = 0, d1 = 0, d2 = 0, d3 = 0;
  for (let i = 0, p = panel; i < four.length; i += 4, p += 4) {
    const a = four[i], b = four[i + 1], c = four[i + 2], d = four[i + 3];
    let w = panels[p];
    a0 += a * w; b0 += b * w; c0 += c * w; d0 += d * w;
    w = panels[p + 1];
    a1 += a * w; b1 += b * w; c1 += c * w; d1 += d * w;
    w = panels[p + 2];
    a2 += a * w; b2 += b * w; c2 += c * w; d2 += d * w;
    w = panels[p + 3];
    a3 += a * w; b3 += b * w; c3 += c * w; d3 += d * w;
  }
  sums[0] = a0; sums[1] = a1; sums[2] = a2; sums[3] = a3; sums[4] = b0; sums[5] = b1; sums[6] = b2; sums[7] = b3;
  sums[8] = c0; sums[9] = c1; sums[10] = c2; sums[11] = c3; sums[12] = d0; sums[13] = d1; sums[14] = d2; sums[15] = d3;
}

/** x = rms(x + y): adds y, then scales each row to a root mean square of one. */
function addAndNormalise(x, y, rows, width, epsilon) {
  for (let row = 0; row < rows; row++) {
    const from = row * width, to = from + width;
    let squares = 0;
    for (let i = from; i < to; i++) {
      const sum = x[i] = x[i] + y[i];
      squares += sum * sum;
    }
    const scale = 1 / Math.sqrt(squares / width + epsilon);
    for (let i = from; i < to; i++) x[i] *= scale;
  }
}

/** Adds one row of y to one of x. */
function addRow(x, to, y, from, width) {
  for (let i = to * width, j = from * width, end = i + width; i < end; i++, j++) x[i] += y[j];
}

function addTo(x, y) { for (let i = 0; i < x.length; i++) x[i] += y[i]; }

// exp(x) is a power of two from a table, for the nearest thirty-second, times a short series for the rest.
const PART = Math.LN2 / 32, PARTS = 1 / PART, LIMIT = 88, MIDDLE = Math.ceil(LIMIT * PARTS);
const POWERS = Float64Array.from({ length: 2 * MIDDLE + 1 }, (_, i) => Math.exp((i - MIDDLE) * PART));

function exponential(x) {
  const within = x < -LIMIT ? -LIMIT : x > LIMIT ? LIMIT : x;
  const nearest = Math.floor(within * PARTS + 0.5), rest = within - nearest * PART;
  return POWERS[nearest + MIDDLE] * (1 + rest * (1 + rest * (0.5 + rest * (1 / 6 + rest / 24))));
}

/** silu(gate) * up of rows [gate, up], each half `inner` wide, into out [rows, inner]. */
function gatedUnit(gateUp, rows, inner, out) {
  for (let row = 0; row < rows; row++) {
    let gate = 2 * row * inner, to = row * inner;
    for (const end = to + inner; to < end; gate++, to++) {
      const g = gateUp[gate];
      out[to] = g / (1 + exponential(-g)) * gateUp[gate + inner];
    }
  }
}

/** The index of the largest of `count` numbers, the first of equal ones. */
function largest(numbers, from, count) {
  let best = from;
  for (let i = from + 1; i < from + count; i++) if (numbers[i] > numbers[best]) best = i;
  return best - from;
}
