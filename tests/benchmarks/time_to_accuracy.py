"""Measure how many seconds of training ours and the PyTorch models take to solve so many held-out Sudokus.

    uv run python tests/benchmarks/time_to_accuracy.py --box 2,3 --cap 600 --preset small
    uv run python tests/benchmarks/time_to_accuracy.py --box 3,3 --cap 1200 --hrm HRM --trm TinyRecursiveModels \\
        --nano-trm nano-trm --torch-python torch/bin/python

All models train on the same generated puzzles, one model after the other, on the CPU with the same number of threads,
from the same loader: an example is a random symmetric copy of a puzzle, some of them with clues restored. At intervals
a model answers the same held-out puzzles in its maximum of ACT steps; an answer counts if all cells are right. The time
to an accuracy is the training time before the first evaluation that reaches it, without evaluations and checkpoints. A
run ends at the first evaluation after `--cap` seconds, at the highest accuracy, or at its last step.

Ours is trained by the command `trainer`; options after `--` are handed on to it. Its time includes the compilation of
its kernels. The PyTorch models are trained by `torch_training.py`, in a process of PYTHON. Their time includes neither
imports nor torch.compile. Where the repository averages its weights, those count that answer more of the first 128
held-out puzzles. While fewer than a tenth of these are right, the others are left out, to save time.

--torch-size published is the size and the settings of the repositories' own commands for Sudoku. `small` is hidden 128
with 2 layers and 4 heads, batch 64, learning rate 1e-3 after 50 steps, weight decay 0.1, and the cycles, steps and loss
of the repository. It is the default, because a step of the published size takes minutes on two cores.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hrm_data import HRMDataError, open_dataset
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_ops import device_info
from hrm_train import checkpoints, load_checkpoint_model
from measure import at_least_one
from mlx.utils import tree_flatten
from reference import fail

HERE = Path(__file__).parent
THRESHOLDS = (0.5, 0.8, 0.9, 0.95)
POLL = 0.2  # seconds
CHECKOUTS = {
    "hrm": Path("models", "hrm", "hrm_act_v1.py"),
    "trm": Path("models", "recursive_reasoning", "trm.py"),
    "trm-mlp": Path("models", "recursive_reasoning", "trm.py"),
    "nano-trm": Path("src", "nn", "models", "trm.py"),
}
NAMES = {
    "hrm": "HRM, PyTorch",
    "trm": "TRM with attention, PyTorch",
    "trm-mlp": "TRM with MLP, PyTorch",
    "nano-trm": "nano-trm, PyTorch",
}

Record = dict[str, Any]


class Puzzles(NamedTuple):
    """Generated puzzles, and the share of training examples that get clues back."""

    options: dict[str, Any]
    hints: float


PUZZLES = {
    "2,3": Puzzles({"train": 20000, "kind": "minimal", "test_kind": "any", "test_clues": (16, 20)}, hints=0.8),
    "3,3": Puzzles({"train": 10000, "kind": "singles", "test_kind": "any", "test_clues": (36, 45)}, hints=0.5),
}
HELD_OUT = 512


class Evaluation(NamedTuple):
    """Held-out exact accuracy after so many steps and seconds of training."""

    step: int
    seconds: float
    accuracy: float


class Run(NamedTuple):
    """What one contender did.

    Attributes:
        name: The model, and whose it is.
        size: Its size in words.
        batch: Puzzles in a step.
        evaluations: In their order.
        rate: Rate of numpy's products around the run, in GFLOP/s.
        problem: Why the run ended early; empty if it did not.
    """

    name: str
    size: str
    batch: int
    evaluations: list[Evaluation]
    rate: float
    problem: str = ""


def main() -> None:
    args, handed_on = arguments()
    if sys.platform == "linux":  # processes inherit it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    args.output.mkdir(parents=True, exist_ok=True)
    data, hints = dataset(args)
    contenders: dict[str, Callable[[], Run]] = {}
    for preset in args.preset if "ours" in args.only else ():
        contenders[f"ours-{preset}"] = lambda preset=preset: train_ours(args, preset, data, hints, handed_on)  # type: ignore[misc]
    for name, checkout in checkouts(args).items():
        contenders[name] = lambda name=name, checkout=checkout: train_torch(args, name, checkout, data, hints)  # type: ignore[misc]
    if not contenders:
        fail("--only: names nothing to train; the PyTorch models need their checkouts")
    runs = [contender() for contender in contenders.values()]
    text = "\n".join([*about(args, data, hints), "", *table(runs), ""])
    (args.output / "table.md").write_text(text)
    print(text)


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """Return the options, and what is handed on to the trainer."""
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--box", choices=PUZZLES, default="3,3", help="rows and columns of a box")
    parser.add_argument("--data", type=Path, help="dataset directory to use instead of generated puzzles")
    parser.add_argument("--hints", type=float, help="share of training examples that get clues back")
    parser.add_argument("--preset", nargs="+", default=["small"], help="presets of the trainer")
    parser.add_argument("--eval-interval", type=at_least_one, default=50, help="steps of ours between evaluations")
    parser.add_argument("--hrm", type=Path, metavar="DIR", help="checkout of the PyTorch HRM")
    parser.add_argument("--trm", type=Path, metavar="DIR", help="checkout of TinyRecursiveModels")
    parser.add_argument("--nano-trm", type=Path, metavar="DIR", help="checkout of nano-trm")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PYTHON", help="a Python that has torch")
    parser.add_argument("--torch-size", choices=("small", "published"), default="small")
    parser.add_argument("--torch-dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--torch-compile", action="store_true", help="use torch.compile")
    parser.add_argument("--torch-evaluations", type=at_least_one, default=15, help="evaluations up to the cap")
    parser.add_argument("--cap", type=seconds, default=600.0, metavar="SECONDS", help="longest training of each")
    parser.add_argument("--threads", type=at_least_one, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=("ours", *CHECKOUTS), default=("ours", *CHECKOUTS))
    parser.add_argument(
        "--output", type=Path, default=Path("time-to-accuracy"), help="for dataset, runs, records and table"
    )
    return parser.parse_args(given[:cut]), given[cut + 1 :]


def seconds(text: str) -> float:
    """Read a time of the command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number of seconds above 0")
    return value


def dataset(args: argparse.Namespace) -> tuple[Path, float]:
    """Return the dataset directory, which is built if it is not there, and the share of hints."""
    chosen = PUZZLES[args.box]
    hints = args.hints if args.hints is not None else 0.0 if args.data else chosen.hints
    path = args.data or args.output / f"sudoku-{args.box.replace(',', 'x')}"
    try:
        if not args.data and not path.exists():
            options = {**chosen.options, "box": tuple(map(int, args.box.split(","))), "test": HELD_OUT}
            build_sudoku(path, SudokuOptions(**options))
        open_dataset(path, "test")
    except HRMDataError as error:
        fail(f"--data: {error}")
    return path.resolve(), hints


def checkouts(args: argparse.Namespace) -> dict[str, Path]:
    """Return the checkouts of those PyTorch models that are to be trained."""
    found = {}
    for name, needed in CHECKOUTS.items():
        option = name.removesuffix("-mlp")
        checkout = getattr(args, option.replace("-", "_"))
        if name not in args.only or checkout is None:
            continue
        if not (checkout / needed).is_file():
            fail(f"--{option} {checkout}: is no checkout of that repository, it has no {needed}")
        found[name] = checkout.resolve()
    return found


def train_ours(args: argparse.Namespace, preset: str, data: Path, hints: float, handed_on: list[str]) -> Run:
    """Train by the command line, and stop it at the cap or when there is nothing left to reach."""
    runs = args.output / "runs"
    before = set(runs.glob("*/config.json"))
    every = str(args.eval_interval)
    command = [sys.executable, "-m", "hrm_trainer", "--dataset", "sudoku", "--data-path", str(data)]
    command += ["--preset", preset, "--device", "cpu", "--runs", str(runs), "--data.hints", str(hints)]
    command += ["--train.seed", str(args.seed), "--train.log_interval", every, "--train.eval_interval", every]
    command += ["--train.eval_limit", "0", *handed_on]
    name, log = f"ours, preset {preset}", args.output / f"ours-{preset}.log"
    rate, shown = product_rate(), 0
    evaluations: list[Evaluation] = []
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        running = True
        while running:
            time.sleep(POLL)
            running = process.poll() is None  # asked before the metrics are read, so that none are missed
            evaluations = our_evaluations(lines_of(set(runs.glob("*/config.json")) - before))
            shown = show(name, evaluations, shown)
            if running and is_over(evaluations, args.cap):
                process.send_signal(signal.SIGINT)
                process.wait()
    made = set(runs.glob("*/config.json")) - before
    if process.returncode not in (0, 130) or not made:
        fail(f"trainer ended with exit code {process.returncode}: {log.read_text()[-2000:]}")
    config = made.pop()
    batch = json.loads(config.read_text())["train"]["global_batch_size"]
    model = load_checkpoint_model(checkpoints(config.with_name("checkpoints"))[-1])
    count = sum(array.size for _, array in tree_flatten(model.parameters()))
    size = size_of(model.config.hidden_size, count)
    return Run(name, size, batch, evaluations, (rate + product_rate()) / 2)


def lines_of(configs: Iterable[Path]) -> Iterator[Record]:
    """Yield the whole lines of the metrics of a run, if there is one."""
    for config in configs:
        metrics = config.with_name("metrics.jsonl")
        text = metrics.read_text() if metrics.exists() else ""
        yield from map(json.loads, text[: text.rfind("\n") + 1].splitlines())


def our_evaluations(records: Iterable[Record]) -> list[Evaluation]:
    """Return the evaluations in a run's metrics; a report's steps per second tell how long its steps took.

    Evaluations and checkpoints are no part of that rate. Each evaluation must come with a report of the same step.
    """
    found, done, took = [], 0, 0.0
    for record in records:
        if record["kind"] == "train":
            took += (record["step"] - done) / record["steps_per_second"]
            done = record["step"]
        elif record["kind"] == "eval":
            assert record["step"] == done, record
            found.append(Evaluation(done, took, record["exact_accuracy"]))
    return found


def train_torch(args: argparse.Namespace, name: str, checkout: Path, data: Path, hints: float) -> Run:
    """Train a PyTorch model in a process of its own."""
    job = {
        "name": name,
        "checkout": str(checkout),
        "data": str(data),
        "hints": hints,
        "size": args.torch_size,
        "dtype": args.torch_dtype,
        "compile": args.torch_compile,
        "threads": args.threads,
        "cap": args.cap,
        "interval": args.cap / args.torch_evaluations,
        "target": THRESHOLDS[-1],
        "seed": args.seed,
    }
    rate, records, shown = product_rate(), [], 0
    log = args.output / f"{name}.log"
    command, pipe = [args.torch_python, str(HERE / "torch_training.py")], subprocess.PIPE
    with (
        log.open("w") as file,
        (args.output / f"{name}.jsonl").open("w") as kept,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=file, text=True) as process,
    ):
        assert process.stdin
        assert process.stdout
        print(json.dumps(job), file=process.stdin, flush=True)
        for line in process.stdout:
            kept.write(line)
            kept.flush()
            records.append(json.loads(line))
            shown = show(NAMES[name], torch_evaluations(records), shown)
    if not records or records[0]["kind"] != "start":
        said = records[0]["message"] if records else log.read_text()[-2000:]
        fail(f"{name} does not run: {said}; see {log} and the start of torch_training.py for what PYTHON needs")
    start, last = records[0], records[-1]
    label = f"{NAMES[name]} {start['torch']}, {args.torch_dtype}{', compiled' if args.torch_compile else ''}"
    size = f"{args.torch_size}: {size_of(start['hidden'], start['parameters'])}"
    problem = "" if last["kind"] == "end" else last.get("message", f"exit code {process.returncode}")
    return Run(label, size, start["batch"], torch_evaluations(records), (rate + product_rate()) / 2, problem)


def torch_evaluations(records: Iterable[Record]) -> list[Evaluation]:
    """Return the evaluations in the records of `torch_training.py`."""
    return [Evaluation(r["step"], r["seconds"], r["exact_accuracy"]) for r in records if r["kind"] == "eval"]


def is_over(evaluations: list[Evaluation], cap: float) -> bool:
    """Return whether the cap or the highest accuracy is reached."""
    return any(each.seconds >= cap or each.accuracy >= THRESHOLDS[-1] for each in evaluations)


def show(name: str, evaluations: list[Evaluation], shown: int) -> int:
    """Print the evaluations that are not shown yet, and return how many are."""
    for step, at, accuracy in evaluations[shown:]:
        print(f"{name}: step {step}, {at:.1f} s, {100 * accuracy:.1f} % exact", file=sys.stderr, flush=True)
    return len(evaluations)


def product_rate() -> float:
    """GFLOP/s of numpy's products, in a process of its own so that its threads are gone before the training."""
    code = "import measure; print(measure.sgemm_rate())"
    return float(subprocess.run([sys.executable, "-c", code], cwd=HERE, check=True, capture_output=True).stdout)


def size_of(hidden: int, parameters: int) -> str:
    """Say how large a model is."""
    return f"hidden {hidden}, {parameters / 1e6:.2f} M parameters"


def reached(evaluations: Iterable[Evaluation], threshold: float) -> float | None:
    """Return the seconds to the first evaluation at or above a threshold; None if there is none."""
    return next((each.seconds for each in evaluations if each.accuracy >= threshold), None)


def table(runs: Iterable[Run]) -> list[str]:
    """Return the lines of the table in Markdown: a row for each run."""
    heads = ["", "size", "batch", "steps/s", *(f"s to {100 * each:.0f} %" for each in THRESHOLDS)]
    rows = [[*heads, "best", "trained", "products, GFLOP/s"], ["---"] * (len(heads) + 3)]
    for run in runs:
        times = [reached(run.evaluations, threshold) for threshold in THRESHOLDS]
        row = [run.name, run.size, str(run.batch)]
        if run.evaluations:
            last, best = run.evaluations[-1], max(run.evaluations, key=lambda each: each.accuracy)
            row += [f"{last.step / last.seconds:.2f}", *("-" if at is None else f"{at:.1f}" for at in times)]
            row += [f"{100 * best.accuracy:.1f} % at {best.seconds:.0f} s", f"{last.seconds:.0f} s"]
        else:
            row += ["-"] * (len(THRESHOLDS) + 3)
        row[-1] += f"; ended early: {run.problem}" if run.problem else ""
        rows.append([*row, f"{run.rate:.0f}"])
    return [f"| {' | '.join(row)} |" for row in rows]


def about(args: argparse.Namespace, data: Path, hints: float) -> list[str]:
    """Say what was measured, and on what."""
    train, test = (open_dataset(data, split) for split in ("train", "test"))
    side = math.isqrt(train.metadata.seq_len)
    info, counts = device_info(), [sum(each.examples for each in split.sets.values()) for split in (train, test)]
    lines = [
        f"{info.chip}, threads: {args.threads}; MLX {info.mlx}, numpy {np.__version__}, "
        f"hrm-trainer {version('hrm-trainer')}.",
        f"{side}x{side} Sudoku: {counts[0]} training puzzles, {100 * hints:.0f} % of examples with clues restored, "
        f"{counts[1]} held-out puzzles; at most {args.cap:g} s of training, seed {args.seed}.",
    ]
    for name, checkout in checkouts(args).items():
        lines.append(f"{NAMES[name]}: {checkout.name} at {revision(checkout)}.")
    return lines


def revision(checkout: Path) -> str:
    """Return the commit of a checkout."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return finished.stdout.strip() or "an unknown commit"


if __name__ == "__main__":
    main()
