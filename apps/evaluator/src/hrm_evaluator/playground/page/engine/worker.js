"use strict";
// The worker: thinks about one puzzle at a time beside the page, and reports every step. Others help with the rows.

const WORTH_SHARING = 2 ** 20; // products, below which a message costs more time than it saves
const FEW = 64; // rows in a message

let model, helpers = [], wanted = 0, thinking = Promise.resolve();
const bell = new MessageChannel();

class Helper {
  /** Another worker with the same model, at the other end of a port; it answers in the order of the questions. */
  constructor(port) {
    this.port = port;
    this.waiting = [];
    port.onmessage = ({ data }) => this.waiting.shift()(data);
  }

  update(block, x) {
    this.port.postMessage({ block, x }, [x.buffer]);
    return new Promise((done) => this.waiting.push(done));
  }
}

/** Updates rows by a block's gated unit. Each worker takes the next few until none are left, a busy one fewer of them. */
async function share(block, x, rows) {
  const { feedForward } = block, width = block.config.hidden_size;
  if (!helpers.length || rows * feedForward.products < WORTH_SHARING) { feedForward.update(x, rows); return; }
  let next = 0;
  const take = async (update) => {
    while (next < rows) {
      const first = next, last = next = Math.min(rows, first + FEW);
      await update(first * width, last * width);
    }
  };
  const number = model.blocks.indexOf(block);
  const takers = helpers.map((helper) => async (from, to) => { x.set(await helper.update(number, x.slice(from, to)), from); });
  await Promise.all([
    ...[...takers, ...takers].map(take), // a second order is at hand when the first is done
    take(async (from, to) => { feedForward.update(x.subarray(from, to), (to - from) / width); await pause(); }),
  ]);
}

/** Lets messages in, such as rows that are done or the order to stop. */
function pause() {
  return new Promise((go) => {
    bell.port1.onmessage = go;
    bell.port2.postMessage(null);
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
