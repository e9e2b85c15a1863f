"use strict";
// Blocks: what mixes positions and symbols, followed by a gated unit, each with a sum and a norm.

class FeedForward {
  constructor(weights, name, epsilon) {
    this.gateUp = new Matrix(weights.table(`${name}.gate_up_proj`));
    this.down = new Matrix(weights.table(`${name}.down_proj`));
    this.inner = this.down.inputs;
    this.epsilon = epsilon;
  }

  /** x = rms(x + down(silu(gate) * up)), row by row; a few rows at a time, so that all stays in the nearest cache. */
  update(x, rows) {
    const width = this.down.outputs, few = 32;
    const both = new Float32Array(few * 2 * this.inner), unit = new Float32Array(few * this.inner);
    const change = new Float32Array(few * width);
    for (let row = 0; row < rows; row += few) {
      const count = Math.min(few, rows - row), part = x.subarray(row * width, (row + count) * width);
      this.gateUp.map(part, count, both);
      gatedUnit(both, count, this.inner, unit);
      this.down.map(unit, count, change);
      addAndNormalise(part, change, count, width, this.epsilon);
    }
  }

  get products() { return this.gateUp.panels.length + this.down.panels.length; }
}

class Block {
  /** The block of a layer: `name` is where its weights stand, such as `H_level.layers.0`. */
  constructor(weights, name) {
    const config = this.config = weights.config, width = config.hidden_size;
    Object.assign(this, shapeOf(config));
    this.epsilon = config.rms_norm_eps;
    this.rope = config.mixer === "attention" ? ropeOf(config) : null;
    if (!this.onBoard && config.mixer === "mlp") this.overPositions = new FeedForward(weights, `${name}.mlp_t`, this.epsilon);
    else if (config.mixer === "groups") this.means = new GroupMeans(weights, `${name}.positions`, groupsOf(config));
    else if (config.mixer === "neighbours") this.near = new Neighbours(weights, `${name}.positions`, config.geometry.columns);
    else this.attention = new Attention(weights, `${name}.${this.onBoard ? "positions" : "self_attn"}`, config.num_heads);
    if (config.symbol_equivariant && this.attention) this.symbols = new Attention(weights, `${name}.symbols.attn`, config.num_heads);
    else if (config.symbol_equivariant) this.symbolMean = new SymbolMean(weights, `${name}.symbols`);
    this.feedForward = new FeedForward(weights, `${name}.mlp`, this.epsilon);
    this.mixed = new Float32Array(this.planes * this.positions * width);
  }

  /** Updates x [planes * positions, width] in place; `share` computes the gated unit, perhaps with helpers. */
  async update(x, share) {
    const { planes, positions, mixed } = this, width = this.config.hidden_size, rows = planes * positions;
    if (this.overPositions) {
      const turned = transposed(x, positions, width);
      this.overPositions.update(turned, width);
      x.set(transposed(turned, width, positions));
    } else if (this.attention) {
      const within = { sets: planes, between: positions, length: positions, step: 1, rope: this.rope };
      this.attention.map(x, rows, within, mixed);
      addAndNormalise(x, mixed, rows, width, this.epsilon);
      if (this.symbols) {
        this.symbols.map(x, rows, { sets: positions, between: 1, length: planes, step: positions, rope: null }, mixed);
        addAndNormalise(x, mixed, rows, width, this.epsilon);
      }
    } else {
      (this.means || this.near).map(x, planes, positions, width, mixed);
      if (this.symbolMean) this.symbolMean.addTo(mixed, x, planes, positions, width);
      addAndNormalise(x, mixed, rows, width, this.epsilon);
    }
    await share(this, x, rows);
  }
}

/** The sizes of a state: planes, the positions of each, and how many of these are a puzzle's prefix. */
function shapeOf(config) {
  const onBoard = config.symbol_equivariant || config.mixer === "groups" || config.mixer === "neighbours";
  const needed = Math.ceil(config.puzzle_emb_ndim / config.hidden_size);
  const prefix = onBoard ? 0 : needed && config.puzzle_emb_len ? config.puzzle_emb_len : needed;
  const tokens = config.symbol_equivariant ? planesOf(config) : [null];
  return { onBoard, prefix, planes: tokens.length, positions: prefix + config.seq_len };
}

/** Tokens that have a plane of their own: the interchangeable ones, then the others that an answer may hold. */
function planesOf({ geometry }) { return [...geometry.symbols, ...geometry.constants]; }

/** For each kind of group, rows and columns first, the group of each cell. */
function groupsOf({ seq_len: length, geometry: { columns, groups } }) {
  const cells = Array.from({ length }, (_, cell) => cell);
  return [cells.map((cell) => Math.floor(cell / columns)), cells.map((cell) => cell % columns), ...groups];
}

/** Cosines and sines of rotary positions, in one dimension or in two; null for a model without. */
function ropeOf(config) {
  const { prefix, positions } = shapeOf(config), size = config.hidden_size / config.num_heads;
  const inTwo = config.pos_encodings === "rope2d";
  if (!inTwo && config.pos_encodings !== "rope") return null;
  const half = size / 2, turns = inTwo ? half / 2 : half;
  const cosines = new Float32Array(positions * half).fill(1), sines = new Float32Array(positions * half);
  for (let position = inTwo ? prefix : 0; position < positions; position++) {
    const cell = position - prefix, columns = inTwo ? config.geometry.columns : 0;
    for (let k = 0; k < half; k++) {
      const frequency = Math.fround(config.rope_theta ** Math.fround(-(k % turns) / turns));
      const place = !inTwo ? position : k < turns ? Math.floor(cell / columns) : cell % columns;
      const angle = Math.fround(place * frequency);
      cosines[position * half + k] = Math.cos(angle);
      sines[position * half + k] = Math.sin(angle);
    }
  }
  return { cosines, sines };
}

function transposed(x, rows, columns) {
  const out = new Float32Array(x.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j];
  return out;
}
