"""Pages of tiny models of every kind, written by the command, and opened in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hrm_data import Task
from hrm_evaluator.cli import main
from hrm_model import HRM, GeometryConfig, HRMConfig, Quantization, quantize, save_weights
from mlx.utils import tree_flatten

TINY = {
    "hidden_size": 32,
    "num_heads": 2,
    "swiglu_multiple": 32,
    "H_layers": 2,
    "L_layers": 1,
    "H_cycles": 2,
    "L_cycles": 2,
    "halt_max_steps": 5,
    "puzzle_emb_ndim": 0,
    "forward_dtype": "float32",
}

ANSWERS = """async ([from, to]) => {
  const answers = [];
  for (const model of MODELS) {
    thinker.load(document.getElementById(`weights-${MODELS.indexOf(model)}`).textContent);
    for (const { puzzle, row } of model.examples.slice(from, to)) {
      answers.push(await new Promise((done) => {
        thinker.report = (step) => { if (step.failure) throw Error(step.failure); if (step.done) done(step); };
        thinker.think(puzzle, row);
      }));
    }
  }
  return answers;
}"""


def random_model(task: Task, seed: int, bits: int = 32, **arch: Any) -> HRM:
    """A model whose weights are all drawn, so that puzzles differ in their answers and in when they halt."""
    board = task.geometry()
    config = HRMConfig(
        **TINY | arch,
        seq_len=task.seq_len,
        vocab_size=task.vocab_size,
        num_puzzle_identifiers=1,
        geometry=None if board is None else GeometryConfig(**board.model_dump()),
    )
    mx.random.seed(seed)
    model = HRM(config)
    sizes = {"lm_head.weight": 20.0, "q_head.weight": 3.0, "puzzle_emb.weight": 0.2}
    drawn = [
        (name, array + sizes.get(name, 0.05) * mx.random.normal(array.shape))
        for name, array in tree_flatten(model.parameters())
    ]
    model.load_weights(drawn)
    model.task = json.dumps(task.to_json())
    if bits < 32:
        quantize(model, Quantization(bits=bits))
    return model


@contextmanager
def opened(browser: Any, file: Path) -> Iterator[Any]:
    """The page in a browser; at the end, nothing may have been complained about or fetched."""
    page = browser.new_page()
    page.set_default_timeout(300_000)
    noticed: list[str] = []
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("request", lambda request: request.url.startswith("blob:") or noticed.append(request.url))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert noticed == [file.as_uri()]


class Pages:
    """What the tests of this directory do with pages."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser

    def write(self, folder: Path, task: Task, *words: object, seed: int = 0, bits: int = 32, **arch: Any) -> Path:
        """Write the page of a random model with the command, beside its weights in `model.safetensors`."""
        save_weights(random_model(task, seed, bits, **arch), folder / "model.safetensors")
        return self.write_of(folder / "model.safetensors", *words)

    def write_of(self, checkpoint: Path, *words: object, to: Path | None = None) -> Path:
        """Write the page of a checkpoint, by default beside it."""
        page = to or checkpoint.with_name("page.html")
        options = ["--checkpoint", checkpoint, "--overwrite", *words]
        assert main(["playground", str(page), *map(str, options)]) == 0
        return page

    def opened(self, file: Path) -> AbstractContextManager[Any]:
        """The page in a browser."""
        return opened(self._browser, file)

    def answers(self, file: Path, part: slice = slice(0, 10_000)) -> list[dict[str, Any]]:
        """The page's answers to some of its examples, by default to all: the last step of each."""
        with self.opened(file) as page:
            found: list[dict[str, Any]] = page.evaluate(ANSWERS, [part.start, part.stop])
        return found


@pytest.fixture(scope="module")
def pages(browser: Any) -> Pages:
    return Pages(browser)
