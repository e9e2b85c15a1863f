"use strict";
// The model: embeds a puzzle, refines its two states by one step, and reads an answer and the wish to halt.

const NO_ANSWER = -1e4; // logit of a token that no answer holds

class Model {
  constructor(weights) {
    const config = this.config = weights.config;
    Object.assign(this, shapeOf(config));
    this.weights = weights;
    const layers = (level, count) => Array.from({ length: count }, (_, i) => new Block(weights, `${level}.layers.${i}`));
    this.networks = Object.fromEntries(
      Object.entries(weights.plan.networks).map(([name, count]) => [name, layers(name, count)]));
    this.blocks = Object.values(this.networks).flat();
    this.head = new Matrix(weights.table("lm_head"));
    if (config.halt_loss !== "none") {
      this.halting = new Matrix(weights.table("q_head"));
      this.haltingOffset = weights.array("q_head.bias");
    }
  }

  /** The states before the first step, and the embedding of a puzzle's tokens with a row of the puzzle table. */
  begin(tokens, row) {
    const width = this.config.hidden_size, rows = this.planes * this.positions;
    const repeated = (vector) => Float32Array.from({ length: rows * width }, (_, i) => vector[i % width]);
    return {
      slow: repeated(this.weights.array("H_init")),
      fast: repeated(this.weights.array("L_init")),
      puzzle: this.embed(tokens, row),
    };
  }

  embed(tokens, row) {
    const { config, weights, planes, positions, prefix } = this, width = config.hidden_size;
    const x = new Float32Array(planes * positions * width);
    const add = (position, values, from) => {
      for (let k = 0; k < width; k++) x[position * width + k] += values[from * width + k];
    };
    const { values: table } = weights.table("embed_tokens");
    const marks = config.symbol_equivariant ? this.marks(tokens) : [tokens];
    marks.forEach((mark, plane) => mark.forEach((token, cell) => add(plane * positions + prefix + cell, table, token)));
    if (weights.has("embed_planes.weight")) this.addKinds(add);
    if (config.puzzle_emb_ndim) this.addPuzzle(x, row);
    if (config.pos_encodings === "learned") {
      const places = weights.array("embed_pos.weight");
      for (let at = 0; at < planes * positions; at++) add(at, places, at % positions);
      for (let i = 0; i < x.length; i++) x[i] *= 0.707106781;
    }
    if (config.pos_encodings === "grid") {
      groupsOf(config).forEach((groups, kind) => {
        const { values } = weights.table(`embed_groups.${kind}`);
        for (let plane = 0; plane < planes; plane++) {
          groups.forEach((group, cell) => add(plane * positions + prefix + cell, values, group));
        }
      });
    }
    const scale = Math.sqrt(width);
    for (let i = 0; i < x.length; i++) x[i] *= scale;
    return x;
  }

  /** What each plane sees of each cell: the class of its token, and whether that token is the plane's own. */
  marks(tokens) {
    const { symbols } = this.config.geometry, others = [];
    for (let token = 0; token < this.config.vocab_size; token++) if (!symbols.includes(token)) others.push(token);
    const kind = (token) => (symbols.includes(token) ? 0 : 1 + others.indexOf(token));
    return planesOf(this.config).map((own) =>
      Array.from(tokens, (token) => kind(token) + (token === own ? 1 + others.length : 0)));
  }

  addKinds(add) {
    const { values } = this.weights.table("embed_planes"), { length } = this.config.geometry.symbols;
    for (let plane = 0; plane < this.planes; plane++) {
      const kind = plane < length ? 0 : 1 + plane - length;
      for (let cell = 0; cell < this.positions; cell++) add(plane * this.positions + cell, values, kind);
    }
  }

  /** Adds the puzzle's own vector to every cell of a model of boards, else writes it before the cells. */
  addPuzzle(x, row) {
    const { values, columns } = this.weights.table("puzzle_emb"), width = this.config.hidden_size;
    const own = values.subarray(row * columns, (row + 1) * columns);
    if (!this.onBoard) { x.set(own.subarray(0, this.config.puzzle_emb_ndim)); return; }
    for (let at = 0; at < this.planes * this.positions; at++) {
      const token = this.config.symbol_equivariant ? planesOf(this.config)[Math.floor(at / this.positions)] : null;
      const offset = token === null ? 0 : own[width + token];
      for (let k = 0; k < width; k++) x[at * width + k] += Math.fround(own[k] + offset);
    }
  }

  /** Takes one step: updates both states of `thought` in place and returns the logits and the halting values. */
  async step(thought, share) {
    const { slow, fast, puzzle } = thought, states = { z_H: slow, z_L: fast, x: puzzle };
    for (const [name, network, added] of this.weights.plan.updates) {
      addTo(states[name], added.map((other) => states[other]).reduce((one, other) => sum(one, other)));
      for (const block of this.networks[network]) await block.update(states[name], share);
    }
    const logits = this.logits(slow);
    return { logits, ...(this.halting ? this.learnedHalting(slow) : certainty(logits, this.config.vocab_size)) };
  }

  /** One logit for each cell and token, [cells, vocabulary]. */
  logits(state) {
    const { config, planes, positions, prefix } = this, { seq_len: cells, vocab_size: tokens } = config;
    if (!config.symbol_equivariant) {
      const logits = new Float32Array(cells * tokens);
      this.head.map(state.subarray(prefix * config.hidden_size), cells, logits);
      return logits;
    }
    const each = new Float32Array(planes * positions), logits = new Float32Array(cells * tokens).fill(NO_ANSWER);
    this.head.map(state, planes * positions, each);
    planesOf(config).forEach((token, plane) => {
      for (let cell = 0; cell < cells; cell++) logits[cell * tokens + token] = each[plane * cells + cell];
    });
    return logits;
  }

  /** The values that the model learnt, from position 0 or, of boards, from the mean. */
  learnedHalting(state) {
    const width = this.config.hidden_size, rows = this.onBoard ? state.length / width : 1;
    const sums = new Float64Array(width), values = new Float32Array(2);
    for (let i = 0; i < rows * width; i++) sums[i % width] += state[i];
    this.halting.map(Float32Array.from(sums, (sum) => sum / rows), 1, values);
    const [halt, go] = values.map((value, i) => value + this.haltingOffset[i]);
    return { halt, go: this.config.halt_loss === "q_learning" ? go : 0 };
  }
}

function sum(a, b) { return a.map((value, i) => value + b[i]); }

/** The log-odds that all tokens are right: their probabilities, multiplied, against the rest. */
function certainty(logits, tokens) {
  let logarithm = 0;
  for (let from = 0; from < logits.length; from += tokens) logarithm += Math.log(sureness(logits, from, tokens));
  logarithm = Math.min(Math.fround(logarithm), -1e-7);
  return { halt: Math.fround(logarithm - Math.log(-Math.expm1(logarithm))), go: 0 };
}

/** The probability of the most likely token of a cell. */
function sureness(logits, from, tokens) {
  const most = logits[from + largest(logits, from, tokens)];
  let total = 0;
  for (let i = from; i < from + tokens; i++) total += Math.exp(logits[i] - most);
  return 1 / total;
}
