"use strict";
// Mixers: what brings information from one position, or one symbol, to another. Each maps x [planes * cells, width].

class Attention {
  constructor(weights, name, heads) {
    this.heads = heads;
    this.queriesKeysValues = new Matrix(weights.table(`${name}.qkv_proj`));
    this.output = new Matrix(weights.table(`${name}.o_proj`));
  }

  /**
   * Attends within sets of `length` rows. The sets begin `between` rows apart, their rows are `step` rows apart.
   * `rope` holds cosines and sines [length, width of a head / 2], or is null.
   */
  map(x, rows, { sets, between, length, step, rope }, out) {
    const width = this.output.inputs, wide = 3 * width, size = width / this.heads, scale = size ** -0.5;
    const all = new Float32Array(rows * wide), mixed = new Float32Array(rows * width);
    this.queriesKeysValues.map(x, rows, all);
    const scores = new Float64Array(length);
    for (let set = 0; set < sets; set++) {
      const row = (i) => (set * between + i * step);
      if (rope) for (let i = 0; i < length; i++) this.rotate(all, row(i) * wide, size, rope, i);
      for (let head = 0; head < this.heads; head++) {
        for (let i = 0; i < length; i++) {
          const query = row(i) * wide + head * size;
          let most = -Infinity, total = 0;
          for (let j = 0; j < length; j++) {
            const key = row(j) * wide + width + head * size;
            let score = 0;
            for (let k = 0; k < size; k++) score += all[query + k] * all[key + k];
            scores[j] = score *= scale;
            if (score > most) most = score;
          }
          for (let j = 0; j < length; j++) total += scores[j] = exponential(scores[j] - most);
          const to = row(i) * width + head * size;
          const sums = new Float64Array(size);
          for (let j = 0; j < length; j++) {
            const value = row(j) * wide + 2 * width + head * size, share = scores[j] / total;
            for (let k = 0; k < size; k++) sums[k] += share * all[value + k];
          }
          for (let k = 0; k < size; k++) mixed[to + k] = sums[k];
        }
      }
    }
    this.output.map(mixed, rows, out);
  }

  /** Turns the pairs (k, k + size / 2) of every head of the queries and keys of one row by its position's angles. */
  rotate(all, at, size, { cosines, sines }, position) {
    const half = size / 2;
    for (let head = 0; head < 2 * this.heads; head++, at += size) {
      for (let k = 0; k < half; k++) {
        const cosine = cosines[position * half + k], sine = sines[position * half + k];
        const first = all[at + k], second = all[at + k + half];
        all[at + k] = first * cosine - second * sine;
        all[at + k + half] = second * cosine + first * sine;
      }
    }
  }
}

class GroupMeans {
  /** `kinds` holds for each kind of group, rows and columns first, the group of each cell. */
  constructor(weights, name, kinds) {
    this.kinds = kinds.map((groups, number) => {
      const count = Math.max(...groups) + 1, sizes = new Array(count).fill(0);
      for (const group of groups) sizes[group]++;
      return { groups, count, sizes, map: new Matrix(weights.table(`${name}.projections.${number}`)) };
    });
  }

  /** For each cell the sum, over the kinds, of a linear map of the mean over its group: mapped once per group. */
  map(x, planes, cells, width, out) {
    out.fill(0);
    for (const { groups, count, sizes, map } of this.kinds) {
      const means = new Float32Array(planes * count * width), mapped = new Float32Array(planes * count * width);
      for (let plane = 0; plane < planes; plane++) {
        for (let cell = 0; cell < cells; cell++) {
          addRow(means, plane * count + groups[cell], x, plane * cells + cell, width);
        }
      }
      for (let i = 0; i < means.length; i++) means[i] /= sizes[Math.floor(i / width) % count];
      map.map(means, planes * count, mapped);
      for (let plane = 0; plane < planes; plane++) {
        for (let cell = 0; cell < cells; cell++) {
          addRow(out, plane * cells + cell, mapped, plane * count + groups[cell], width);
        }
      }
    }
  }
}

class Neighbours {
  /** A convolution over the 3x3 surroundings of each cell; what lies beyond the board is zero. */
  constructor(weights, name, columns) {
    this.columns = columns;
    const { shape: [outputs] } = weights.entries[`${name}.conv.weight`], values = weights.array(`${name}.conv.weight`);
    this.kernel = new Matrix({ values, rows: outputs, columns: values.length / outputs });
  }

  map(x, planes, cells, width, out) {
    const { columns } = this, rows = cells / columns;
    const around = new Float32Array(cells * 9 * width);
    for (let plane = 0; plane < planes; plane++) {
      const first = plane * cells;
      let to = 0;
      for (let cell = 0; cell < cells; cell++) {
        const row = Math.floor(cell / columns), column = cell % columns;
        for (let i = row - 1; i <= row + 1; i++) {
          for (let j = column - 1; j <= column + 1; j++, to += width) {
            const from = (first + i * columns + j) * width;
            const isOnBoard = i >= 0 && i < rows && j >= 0 && j < columns;
            for (let k = 0; k < width; k++) around[to + k] = isOnBoard ? x[from + k] : 0;
          }
        }
      }
      this.kernel.map(around, cells, out.subarray(first * width, (first + cells) * width));
    }
  }
}

class SymbolMean {
  constructor(weights, name) { this.projection = new Matrix(weights.table(`${name}.projection`)); }

  /** Adds to all planes of a cell the same: a linear map of their mean. */
  addTo(out, x, planes, cells, width) {
    const means = new Float32Array(cells * width), mapped = new Float32Array(cells * width);
    for (let at = 0; at < planes * cells; at++) addRow(means, at % cells, x, at, width);
    for (let i = 0; i < means.length; i++) means[i] /= planes;
    this.projection.map(means, cells, mapped);
    for (let at = 0; at < planes * cells; at++) addRow(out, at, mapped, at % cells, width);
  }
}
