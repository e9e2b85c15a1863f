"""Trains, packs and measures the models that come along with the evaluator.

    uv run python apps/evaluator/make_models.py sudoku-9x9

writes `shipped/weights/sudoku-9x9.safetensors` and its card. Training depends on processor and libraries in the last
bits, so the figures are those of another run of the same recipe, not the same file. `--run` packs a run that was
trained before; its commit must be checked out.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hrm_data import get_family
from hrm_evaluator.shipped._card import Accuracy, Card
from hrm_model import load_model
from hrm_ops import device_info
from hrm_train import RunDirectory
from mlx.utils import tree_flatten

WEIGHTS = Path(__file__).parent / "src" / "hrm_evaluator" / "shipped" / "weights"
BITS = 8
TEST_SEED = 20261  # not that of any training set
TEST_PUZZLES = 512


class Recipe(NamedTuple):
    """How a model is trained and on what it is measured.

    Attributes:
        summary: What it solves.
        flags: Those of `trainer`.
        tests: Kinds of puzzles in words, with the options of `hrm-data build` that make them.
        limits: What it cannot do.
        package: The package that knows these puzzles, if it is none of ours.
    """

    summary: str
    flags: str
    tests: dict[str, dict[str, Any]]
    limits: tuple[str, ...]
    package: str | None = None


def _sudoku(box: tuple[int, int], **options: Any) -> dict[str, Any]:
    return {"box": box, **options}


RECIPES = {
    "sudoku-6x6": Recipe(
        "6x6 Sudoku with boxes of two rows and three columns.",
        "--dataset sudoku --data.box 2,3",
        {
            "16 to 20 clues": _sudoku((2, 3), kind="any", clues=(16, 20)),
            "minimal": _sudoku((2, 3), kind="minimal"),
        },
        ("Puzzles with more than one solution get one of them, or none.",),
    ),
    "sudoku-9x9": Recipe(
        "9x9 Sudoku, easy to hard.",
        "--dataset sudoku --preset small-hard --train.steps 4000 --arch.halt_max_steps 20",  # 64 take a browser 4 s
        {
            "36 to 45 clues": _sudoku((3, 3), kind="any", clues=(36, 45)),
            "singles are enough, no clue to spare": _sudoku((3, 3), kind="singles"),
            "minimal, need search": _sudoku((3, 3), kind="search"),
        },
        (
            "Of the puzzles that need search it leaves some unsolved; --until-valid searches on.",
            "Puzzles with more than one solution get one of them, or none.",
        ),
    ),
    "maze-11x11": Recipe(
        "Shortest paths through 11x11 mazes.",
        "--dataset maze",
        {
            "one shortest path of 11 moves or more": {"size": 11, "unique": True},
            "one shortest path of 25 moves or more": {"size": 11, "unique": True, "min_length": 25},
        },
        ("Where several paths are equally short, it may mix them.", "Only mazes of 11x11 cells."),
    ),
    "hitori-5x5": Recipe(
        "5x5 Hitori, the puzzle of the tutorial.",
        "--dataset hitori",
        {"exactly one solution": {"size": 5}},
        ("It needs the package of the tutorial, which knows the rules.",),
        "hrm-hitori",
    ),
}


def main() -> None:
    """Make one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--run", type=Path, help="a finished run of the recipe's command")
    options = parser.parse_args()
    recipe = RECIPES[options.name]
    with tempfile.TemporaryDirectory() as folder:
        if options.run is None:
            call("trainer", *recipe.flags.split(), "--runs", folder)
        run = RunDirectory(options.run) if options.run else RunDirectory.newest(folder)
        packed = Path(folder) / "packed.safetensors"
        call("evaluator", "quantize", "--bits", str(BITS), "--checkpoint", str(run.path), "--output", str(packed))
        accuracy = tuple(measure(packed, words, run, build) for words, build in recipe.tests.items())
        content = packed.read_bytes()
        card = make_card(options.name, recipe, run, accuracy, content)
    WEIGHTS.mkdir(exist_ok=True)
    (WEIGHTS / f"{options.name}.safetensors").write_bytes(content)
    (WEIGHTS / f"{options.name}.json").write_text(card.model_dump_json(indent=2, exclude_none=True) + "\n")


def measure(weights: Path, words: str, run: RunDirectory, build: dict[str, Any]) -> Accuracy:
    """Score the packed model on puzzles of one kind that were never trained on."""
    family = get_family(run.config["dataset"])
    options = {"train": 1, "test": TEST_PUZZLES, "seed": TEST_SEED, **build}
    with tempfile.TemporaryDirectory() as folder:
        data = family.build(Path(folder) / "data", family.options(**options), lambda *_: None)
        scored = json.loads(call("evaluator", "--json", "--checkpoint", str(weights), "--data-path", str(data)))
    print(f"{words}: {scored['exact_accuracy']:.1%} of {scored['puzzles']}")
    return Accuracy(
        puzzles=words,
        build=build,
        count=scored["puzzles"],
        exact=round(scored["exact_accuracy"], 4),
        mean_steps=round(scored["mean_steps"], 2),
    )


def make_card(name: str, recipe: Recipe, run: RunDirectory, accuracy: tuple[Accuracy, ...], content: bytes) -> Card:
    """Write down what is known of a model."""
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    trained = [record for record in records if record["kind"] == "train"]
    spans = [later["step"] - earlier["step"] for earlier, later in zip([{"step": 0}, *trained], trained, strict=False)]
    seconds = sum(span / record["steps_per_second"] for span, record in zip(spans, trained, strict=True))
    model = load_model(run.newest_checkpoint() / "model.safetensors")
    info = device_info()
    return Card(
        name=name,
        summary=recipe.summary,
        task=json.loads(model.task or "{}"),
        package=recipe.package,
        command=f"uv run trainer {recipe.flags}",
        data={name: value for name, value in run.config["data"].items() if value is not None},
        commit=subprocess.check_output(["git", "describe", "--always", "--abbrev=12", "--dirty"], text=True).strip(),
        machine=f"{info.chip}, {info.cores} cores",
        minutes=round(seconds / 60, 1),
        steps=trained[-1]["step"],
        parameters=sum(array.size for _, array in tree_flatten(model.trainable_parameters())),
        bits=BITS,
        accuracy=accuracy,
        limits=recipe.limits,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def call(*words: str) -> str:
    """Run one of the commands; its progress is shown, and what it prints returned."""
    command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
