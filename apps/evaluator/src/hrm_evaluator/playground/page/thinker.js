"use strict";
// The thinker: starts the workers that run the model, and hands each step that they report to the page.

class Thinker {
  constructor(engine, report) {
    this.address = URL.createObjectURL(new Blob([engine], { type: "text/javascript" }));
    this.report = report;
    this.number = 0;
    this.workers = [];
  }

  /** Loads the weights of a model, base64, into a worker, and into as many helpers as there are further cores. */
  load(base64) {
    this.workers.forEach((worker) => worker.terminate());
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const helpers = Math.min(3, Math.max(0, (navigator.hardwareConcurrency || 1) - 1));
    this.workers = Array.from({ length: 1 + helpers }, () => new Worker(this.address));
    const [main, ...others] = this.workers;
    const ports = others.map((helper) => {
      const { port1, port2 } = new MessageChannel(), weights = bytes.slice().buffer;
      helper.postMessage({ kind: "help", weights, port: port2 }, [port2, weights]);
      return port1;
    });
    main.postMessage({ kind: "load", weights: bytes.buffer, ports }, [bytes.buffer, ...ports]);
    main.onmessage = ({ data }) => { if (data.number === this.number) this.report(data); };
    main.onerror = ({ message }) => this.report({ failure: message });
  }

  /** Begins with a puzzle, in the place of what is under way. */
  think(tokens, row) { this.workers[0].postMessage({ kind: "think", number: ++this.number, tokens, row }); }

  stop() { this.number++; this.workers[0].postMessage({ kind: "stop" }); }
}
