"""Draw the figures of docs/concepts.md: `python docs/figures/draw.py [RUN [FOLDER]]`.

Without a run, those that need no trained model: which updates a step consists of, and stablemax.
With one, also how slots take puzzles, and how the states settle.
"""

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mlx.core as mx
import numpy as np
from hrm_data import IGNORE, TestLoader, open_dataset
from hrm_evaluator import load
from hrm_model import HRM, Batch, HRMConfig, act_step, fill_halted_slots, initial_carry
from hrm_ops import stablemax
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

GREEN, RED, BLUE, GREY = "#2e8b57", "#c62f1d", "#2f6db3", "#c9ced3"
mpl.rcParams |= {"svg.hashsalt": "hrm", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write an SVG that is the same for the same figure."""
    figure.savefig(folder / name, metadata={"Date": None}, facecolor="white", bbox_inches="tight")
    print(folder / name)


def updates(config: HRMConfig) -> list[tuple[str, bool]]:
    """The module of every update of one step in order, and whether it carries gradient, as the model tells.

    A number is added to what each module returns. Where the answer has a gradient by it, the update carries gradient.
    """
    model, order = HRM(config), []
    state = mx.random.normal((1, config.total_len, config.hidden_size))

    def step(added: list[mx.array]) -> mx.array:
        order.clear()

        def noticed(name: str, module: Callable[..., mx.array]) -> Callable[..., mx.array]:
            def call(*arguments: Any) -> mx.array:
                order.append(name)
                return module(*arguments) + added[len(order) - 1]

            return call

        modules = model.L_level, model.H_level
        model.L_level, model.H_level = noticed("L", modules[0]), noticed("H", modules[1])
        z_H, _ = model.reason(state, state, state)
        model.L_level, model.H_level = modules
        return z_H[:, :, 0].sum()

    count = config.H_cycles * (config.L_cycles + 1)
    gradients = mx.grad(step)([mx.array(0.0)] * count)
    return [(name, bool(gradient.item())) for name, gradient in zip(order, gradients, strict=True)]


def draw_updates(folder: Path) -> None:
    """One step of the paper's model: what runs, in which order, with which gradient."""
    config = HRMConfig(
        seq_len=4, vocab_size=4, num_puzzle_identifiers=1, hidden_size=32, num_heads=2, puzzle_emb_ndim=0,
        forward_dtype="float32",
    )  # fmt: skip
    told = updates(config)
    figure = Figure(figsize=(8, 2.6))
    axes = figure.subplots()
    height = {"H": 1.0, "L": 0.0}
    for at, (name, gradient) in enumerate(told):
        face = GREEN if gradient else GREY
        box = FancyBboxPatch((at - 0.3, height[name] - 0.22), 0.6, 0.44, "round,pad=0.04", fc=face, ec="none")
        axes.add_patch(box)
        axes.text(
            at, height[name], name, ha="center", va="center", color="white" if gradient else "black", weight="bold"
        )
        if at:
            start, end = (at - 0.64, height[told[at - 1][0]]), (at - 0.38, height[name])
            axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "black"})
        if name == "L":
            axes.annotate("", (at, -0.3), (at, -0.62), arrowprops={"arrowstyle": "->", "color": BLUE})
            axes.text(at, -0.7, "x", ha="center", va="top", color=BLUE)
    axes.text(-0.75, 1.0, "slow state z_H", ha="right", va="center")
    axes.text(-0.75, 0.0, "fast state z_L", ha="right", va="center")
    axes.text(-0.75, -0.78, "embedded puzzle", ha="right", va="center", color=BLUE)
    axes.annotate("", (len(told), 1.0), (len(told) - 0.64, 1.0), arrowprops={"arrowstyle": "->", "color": "black"})
    axes.text(len(told) + 0.05, 1.0, "answer, halt?", va="center")
    axes.set(xlim=(-2.6, len(told) + 1.4), ylim=(-1.05, 1.4))
    axes.axis("off")
    save(figure, folder, "updates.svg")


def draw_stablemax(folder: Path) -> None:
    """What takes the place of the exponential, and the probabilities that follow."""
    x = np.linspace(-6, 6, 241)
    pair = mx.stack([mx.array(x), mx.zeros(len(x))], axis=1)
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    probability = np.array(stablemax(pair)[:, 0])
    left.plot(x, np.exp(x), "--", color=GREY, label="exp(x)")
    left.plot(x, probability / (1 - probability), color=GREEN, label="s(x)")  # s(0) is 1
    left.set(ylim=(0, 8), xlabel="x", title="in the place of exp")
    right.plot(x, np.array(mx.softmax(pair, axis=1)[:, 0]), "--", color=GREY, label="softmax")
    right.plot(x, probability, color=GREEN, label="stablemax")
    right.set(ylim=(0, 1), xlabel="x", title="probability of the first of the logits x, 0")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    save(figure, folder, "stablemax.svg")


def draw_slots(run: Path, folder: Path, count: int = 6, steps: int = 16) -> None:
    """Which puzzle each of some slots works on, and when it halts, with a trained model on test puzzles."""
    solver, examples = load(run), read_examples(run, count * steps)
    model, free = solver.models[0], itertools.cycle(range(len(examples["inputs"])))
    carry, number, begun = initial_carry(model.config, count), [0] * count, [0] * count
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    for step in range(steps):
        fresh = carry["halted"].tolist()
        number = [next(free) if new else old for new, old in zip(fresh, number, strict=True)]
        begun = [step if new else old for new, old in zip(fresh, begun, strict=True)]
        batch = Batch(**{name: mx.array(values[number]) for name, values in examples.items()})
        carry = fill_halted_slots(model, carry, batch)
        carry, out = act_step(model, carry, model.puzzle_rows(carry["puzzle_identifiers"]), training=False)
        carry["halted"] = carry["halted"] | (out.q_halt_logits > out.q_continue_logits)
        labels = carry["labels"]
        right = ((out.logits.argmax(axis=-1) == labels) | (labels == IGNORE)).all(axis=1).tolist()
        for slot, halted in enumerate(carry["halted"].tolist()):
            if halted or step == steps - 1:
                face = GREY if not halted else GREEN if right[slot] else RED
                width = step + 1 - begun[slot]
                axes.barh(slot, width, 0.7, begun[slot], color=face, edgecolor="white", linewidth=2)
                axes.text(begun[slot] + width / 2, slot, number[slot] + 1, ha="center", va="center", color="white")
    axes.set(xlabel="step", ylabel="slot", xlim=(0, steps), yticks=range(count), yticklabels=range(1, count + 1))
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    save(figure, folder, "slots.svg")


def draw_states(run: Path, folder: Path, puzzles: int = 128) -> None:
    """How far the two states move in every step, for puzzles that are solved in the end and of those that are not."""
    model, examples = load(run).models[0], read_examples(run, puzzles)
    batch = Batch(**{name: mx.array(values) for name, values in examples.items()})
    carry = fill_halted_slots(model, initial_carry(model.config, len(examples["inputs"])), batch)
    moved: dict[str, list[np.ndarray]] = {"z_H": [], "z_L": []}
    for _ in range(model.config.halt_max_steps):
        before = carry
        carry, out = act_step(model, carry, model.puzzle_rows(carry["puzzle_identifiers"]), training=False)
        for name, values in moved.items():
            ways = mx.linalg.norm(carry[name] - before[name], axis=(1, 2)) / mx.linalg.norm(carry[name], axis=(1, 2))
            values.append(np.array(ways))
    labels = batch["labels"]
    solved = np.array(((out.logits.argmax(axis=-1) == labels) | (labels == IGNORE)).all(axis=1))
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(1, 2), moved.items(), strict=True):
        for kind, which, colour in (("solved", solved, GREEN), ("not solved", ~solved, RED)):
            if which.any():
                means = [value[which].mean() for value in values]
                axes.plot(range(1, len(means) + 1), means, "o-", color=colour, label=f"{which.sum()} puzzles {kind}")
        axes.set(xlabel="step", title=f"how far {name} moves, of its length", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    save(figure, folder, "states.svg")


def read_examples(run: Path, count: int) -> dict[str, np.ndarray]:
    """The first test puzzles of a run, as a batch."""
    root = Path(json.loads((run / "config.json").read_text())["data_path"])
    test = open_dataset(root, "test")
    return dict(next(iter(TestLoader(test, batch_size=min(count, test.examples)))))


if __name__ == "__main__":
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent
    mx.random.seed(0)
    draw_updates(folder)
    draw_stablemax(folder)
    if len(sys.argv) > 1:
        draw_slots(Path(sys.argv[1]), folder)
        draw_states(Path(sys.argv[1]), folder)
