"use strict";
// The worker: thinks about one puzzle at a time beside the page, and reports every step. Others help with the rows.

const WORTH_SHARING = 2 ** 20; // products, below which a message costs more time than it saves

let model, helpers = [], wanted = 0, thinking = Promise.resolve();

class Helper {
  /** Another worker with the same model, at the other end of a port. */
  constructor(port) {
    this.port = port;
    port.onmessage = ({ data }) => this.done(data);
  }

  update(block, x) {
    return new Promise((done) => {
      this.done = done;
      this.port.postMessage({ block, x }, [x.buffer]);
    });
  }
}

/** Updates rows by a block's gated unit: the first part here, the others by helpers at the same time. */
async function share(block, x, rows) {
  const width = block.config.hidden_size;
  if (!helpers.length || rows * block.feedForward.products < WORTH_SHARING) { block.feedForward.update(x, rows); return; }
  const part = Math.ceil(rows / (helpers.length + 1) / 4) * 4 * width;
  const others = helpers.map((helper, i) =>
    helper.update(model.blocks.indexOf(block), x.slice((i + 1) * part, (i + 2) * part)));
  block.feedForward.update(x.subarray(0, part), Math.min(part, x.length) / width);
  (await Promise.all(others)).forEach((changed, i) => x.set(changed, Math.min((i + 1) * part, x.length)));
}

/** Lets messages in, such as that to stop. */
function pause() {
  return new Promise((go) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); go(); };
    port2.postMessage(null);
  });
}

async function think({ number, tokens, row }) {
  const thought = model.begin(tokens, row), { vocab_size: size, halt_max_steps: most } = model.config;
  for (let step = 1; step <= most; step++) {
    await pause();
    if (number !== wanted) return;
    const { logits, halt, go } = await model.step(thought, share);
    const cells = Array.from(tokens, (_, cell) => cell * size);
    postMessage({
      number,
      step,
      tokens: cells.map((from) => largest(logits, from, size)),
      sureness: cells.map((from) => sureness(logits, from, size)),
      confidence: 1 / (1 + Math.exp(-halt)),
      halted: halt > go,
      done: halt > go || step === most,
    });
    if (halt > go) return;
  }
}

const orders = {
  load({ weights, ports }) {
    model = new Model(new WeightFile(weights));
    helpers = ports.map((port) => new Helper(port));
  },
  help({ weights, port }) {
    model = new Model(new WeightFile(weights));
    port.onmessage = ({ data: { block, x } }) => {
      model.blocks[block].feedForward.update(x, x.length / model.config.hidden_size);
      port.postMessage(x, [x.buffer]);
    };
  },
  think(order) {
    wanted = order.number;
    thinking = thinking.then(() => think(order)).catch((error) => postMessage({ number: order.number, failure: String(error) }));
  },
  stop() { wanted = 0; },
};

onmessage = ({ data }) => orders[data.kind](data);
