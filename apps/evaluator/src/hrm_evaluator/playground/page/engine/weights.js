"use strict";
// Weights: reads a safetensors file, as Python wrote it, and turns weights of 8 or 4 bits into float32.

const READERS = { F32: Float32Array, U32: Uint32Array };

class WeightFile {
  /** Opens a file that is held in memory, an ArrayBuffer. */
  constructor(buffer) {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    const { __metadata__: metadata, ...entries } = JSON.parse(
      new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    this.config = JSON.parse(metadata.config);
    this.plan = JSON.parse(metadata.plan); // networks and updates of a step, each update [state, network, added]
    this.quantization = metadata.quantization ? JSON.parse(metadata.quantization) : null;
    this.buffer = buffer;
    this.start = 8 + length;
    this.entries = entries;
  }

  has(name) { return name in this.entries; }

  /** The numbers of an array, in the order of its last axis. */
  array(name) {
    const { dtype, data_offsets: [from, to] } = this.entries[name];
    return new READERS[dtype](this.buffer.slice(this.start + from, this.start + to));
  }

  /** A table [rows, columns] of float32, whether or not it is stored with fewer bits. */
  table(name) {
    const values = this.has(`${name}.scales`) ? this.dequantised(name) : this.array(`${name}.weight`);
    const rows = this.entries[`${name}.weight`].shape[0];
    return { values, rows, columns: values.length / rows };
  }

  /** Words of 32 bits hold the weights, the first in the lowest bits; each group has a scale and an offset. */
  dequantised(name) {
    const { bits, group_size: group } = this.quantization;
    const words = this.array(`${name}.weight`), scales = this.array(`${name}.scales`), biases = this.array(`${name}.biases`);
    const inWord = 32 / bits, mask = 2 ** bits - 1;
    const values = new Float32Array(words.length * inWord);
    for (let at = 0; at < values.length; at++) {
      const whole = (words[Math.floor(at / inWord)] >>> (bits * (at % inWord))) & mask;
      const of = Math.floor(at / group);
      values[at] = Math.fround(whole * scales[of]) + biases[of];
    }
    return values;
  }
}
