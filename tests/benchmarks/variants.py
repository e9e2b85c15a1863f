"""Compare the variants of the model on 6x6 Sudoku at equal training time.

    uv run python tests/benchmarks/variants.py [--seconds 360] [--runs DIR]

HRM, the Tiny Recursive Model and the flat transformer have the other settings of the preset `small-6x6`, the
symbol-equivariant model those of the preset `small`. All train on the same 20,000 minimal puzzles. A short run of each
measures its speed; a second one takes as many steps as fit into the time, with the schedules of its preset.
`evaluator compare` scores them on the same 512 unseen puzzles of 16 to 20 clues, and says how many minutes each took.
Do it on a machine that does nothing else.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_train import RunDirectory
from measure import at_least_one

PUZZLES = SudokuOptions(box=(2, 3), train=20000, test=512, kind="minimal", test_kind="any", test_clues=(16, 20), seed=0)
ALL = ["--data.hints", "0.8", "--train.eval_interval", "1000000", "--train.log_interval", "20"]
SHORT = 200  # steps that measure the speed
ATTENTION = ["--preset", "small-6x6"]
TRM = ["--arch.variant", "trm", "--arch.halt_loss", "bce", "--arch.H_cycles", "1", "--arch.L_cycles", "2"]
VARIANTS = {
    "HRM": ATTENTION,
    "TRM": [*ATTENTION, *TRM],
    "flat transformer": [*ATTENTION, "--arch.variant", "transformer", "--arch.H_layers", "4"],
    "symbol-equivariant": ["--preset", "small"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=at_least_one, default=360, help="seconds of training for each")
    parser.add_argument("--runs", type=Path, default=Path("variant-runs"), help="a new directory for puzzles and runs")
    given = parser.parse_args()
    if given.runs.exists():
        print(f"variants: --runs {given.runs} exists already; choose another", file=sys.stderr)
        return 2
    data = build_sudoku(given.runs / "puzzles", PUZZLES)
    trained = [train(name, options, data, given.runs / "runs", given.seconds) for name, options in VARIANTS.items()]
    return subprocess.run([command("evaluator"), "compare", *map(str, trained)], check=False).returncode


def command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def train(name: str, options: list[str], data: Path, runs: Path, seconds: int) -> Path:
    """Train for about so many seconds, and return the run's directory."""
    measured = run(options, data, runs.parent / "speed" / name.replace(" ", "-"), SHORT)
    steps = round(seconds * speed(measured))
    print(f"{name}: {steps} steps", file=sys.stderr, flush=True)
    return run(options, data, runs / name.replace(" ", "-"), steps)


def run(options: list[str], data: Path, runs: Path, steps: int) -> Path:
    words = [command("trainer"), "--data-path", str(data), "--runs", str(runs), "--train.steps", str(steps)]
    subprocess.run([*words, *options, *ALL], check=True, stdout=subprocess.DEVNULL)
    return RunDirectory.newest(runs).path


def speed(run: Path) -> float:
    """Steps a second in the reports of a run, without the first, which compiles."""
    reports = [report for report in RunDirectory(run).read_metrics() if report["kind"] == "train"]
    return statistics.median(report["steps_per_second"] for report in reports[1:])


if __name__ == "__main__":
    raise SystemExit(main())
