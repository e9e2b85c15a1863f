"""Compare the variants of the model on 6x6 Sudoku at equal training time.

    uv run python tests/benchmarks/variants.py [--seconds 120] [--runs DIR]

HRM, the Tiny Recursive Model and the flat transformer have attention, hidden 64 and the puzzles' settings of the preset
`small-6x6`; the symbol-equivariant model is that of the preset `small`. All train on the same 20,000 minimal puzzles at
a constant learning rate, because the time and not the number of steps is given. Each is stopped by SIGINT once its
reports add up to so many seconds of training, and `evaluator compare` scores them on the same 512 unseen puzzles of 16
to 20 clues. Do it on a machine that does nothing else.
"""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_train import RunDirectory
from measure import at_least_one

PUZZLES = SudokuOptions(box=(2, 3), train=20000, test=512, kind="minimal", test_kind="any", test_clues=(16, 20), seed=0)
ALL = ["--data.hints", "0.8", "--train.lr_min_ratio", "1", "--train.steps", "1000000", "--train.log_interval", "10"]
ALL += ["--train.eval_interval", "1000000", "--train.checkpoint_interval", "1000000"]
ATTENTION = ["--preset", "small-6x6", "--arch.hidden_size", "64", "--train.halt_warmup_steps", "400"]
TRM = ["--arch.variant", "trm", "--arch.halt_loss", "bce", "--arch.H_cycles", "1", "--arch.L_cycles", "2"]
VARIANTS = {
    "HRM": ATTENTION,
    "TRM": [*ATTENTION, *TRM],
    "flat transformer": [*ATTENTION, "--arch.variant", "transformer", "--arch.H_layers", "4"],
    "symbol-equivariant": ["--preset", "small"],
}
POLL = 0.5  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=at_least_one, default=120, help="seconds of training for each")
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
    """Train until the reports add up to so many seconds, and return the run's directory."""
    before = set(runs.glob("*/config.json"))
    words = [command("trainer"), "--data-path", str(data), "--runs", str(runs), *options, *ALL]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(POLL)
            new = set(runs.glob("*/config.json")) - before
            if new and trained_seconds(new.copy().pop().parent) >= seconds:
                process.send_signal(signal.SIGINT)
                process.wait()
    [config] = set(runs.glob("*/config.json")) - before
    print(f"{name}: {config.parent}", file=sys.stderr, flush=True)
    return config.parent


def trained_seconds(run: Path) -> float:
    reports = [report for report in RunDirectory(run).read_metrics() if report["kind"] == "train"]
    steps = [report["step"] for report in reports]
    taken = zip(reports, [0, *steps], steps, strict=False)
    return sum((end - start) / report["steps_per_second"] for report, start, end in taken)


if __name__ == "__main__":
    raise SystemExit(main())
