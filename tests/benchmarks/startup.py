"""How long a command takes to answer, as a user types it: `uv run COMMAND --help`, and `python -m` without uv.

    uv run python tests/benchmarks/startup.py [--repeats N]

The first answer after an installation compiles Python's bytecode and is left out; where PYTHONDONTWRITEBYTECODE is set
every one does, which the last column shows.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = (
    "trainer --help",
    "trainer plot --help",
    "trainer import-checkpoint --help",
    "trainer doctor --help",
    "evaluator --help",
    "evaluator solve --help",
    "hrm-data --help",
    "hrm-data build sudoku --help",
)


def seconds(command: list[str], environment: dict[str, str], repeats: int) -> float:
    """The median over `repeats` runs, after one that is not counted."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as kept, tempfile.TemporaryDirectory() as empty:
        warm = usual | {"PYTHONPYCACHEPREFIX": kept}
        cold = usual | {"PYTHONPYCACHEPREFIX": empty, "PYTHONDONTWRITEBYTECODE": "1"}
        start = [sys.executable, "-c", "pass"]
        print(f"an empty script takes {seconds(start, warm, repeats):.2f} s")
        print(f"{'uv run ...':<34}{'seconds':>8}  {'without bytecode':>16}")
        for command in COMMANDS:
            words = ["uv", "run", *command.split()]
            print(f"{command:<34}{seconds(words, warm, repeats):>8.2f}  {seconds(words, cold, repeats):>16.2f}")


if __name__ == "__main__":
    main()
