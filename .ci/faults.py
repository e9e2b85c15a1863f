"""Evidence that the tests of parity and of resuming can fail: each fault below, put into a copy, must be noticed.

uv run .ci/faults.py [--short]        --short leaves out all but one fault of each kind
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from workspace import ROOT, distributions

PARITY = ("tests/parity/test_parity.py::test_every_number_of_the_reference_comes_out",)
LOOP = "packages/hrm-train/tests/run/test_loop.py"
RESUME = (
    f"{LOOP}::test_a_run_that_broke_between_checkpoints_equals_one_that_did_not",
    f"{LOOP}::test_a_run_stopped_by_a_signal_and_resumed_equals_one_never_stopped_bit_for_bit",
)
MODEL = "packages/hrm-model/src/hrm_model/_model.py"
BLOCK = "packages/hrm-model/src/hrm_model/blocks/_choose.py"
ACT = "packages/hrm-model/src/hrm_model/_act.py"
OPTIMIZERS = "packages/hrm-train/src/hrm_train/step/_optimizers.py"
LOAD = "packages/hrm-train/src/hrm_train/checkpoint/_load.py"
SAVE = "packages/hrm-train/src/hrm_train/checkpoint/_snapshot.py"
STATE = "state = tree_map_with_path(lambda name, leaf: training.get(name, leaf), state)"


class Fault(NamedTuple):
    """A text in a file, what stands there instead, and the tests of which at least one has to fail then."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    short: bool = False


def not_restored(part: str) -> str:
    """Loading of a checkpoint that leaves one part of the state as it is."""
    kept = f'(leaf if name.startswith("{part}") else training.get(name, leaf))'
    return f"state = tree_map_with_path(lambda name, leaf: {kept}, state)"


FAULTS = (
    Fault("norm epsilon 1e-4 for 1e-5", BLOCK, "config.rms_norm_eps", "10 * config.rms_norm_eps", PARITY, True),
    Fault("rotary base doubled", MODEL, "config.rope_theta)", "2 * config.rope_theta)", PARITY),
    Fault(
        "one update too many carries gradient",
        MODEL,
        "len(updates) + 1 - plan.with_gradient",
        "len(updates) - plan.with_gradient",
        PARITY,
    ),
    Fault(
        "prefix not cut off the logits",
        MODEL,
        "z_H[:, self.config.prefix_len :]",
        "z_H[:, : self.config.seq_len]",
        PARITY,
    ),
    Fault("carry dropped", ACT, '"z_H": out.z_H, "z_L"', '"z_H": carry["z_H"], "z_L"', PARITY, True),
    Fault("halted slots not filled", ACT, "steps=mx.where(halted, 0, ", "steps=(", PARITY),
    Fault("value of the last step not bounded", ACT, "is_last = steps >= limit", "is_last = steps > limit", PARITY),
    Fault("no bias correction of m", OPTIMIZERS, "lr / (1 - b1**t)", "lr", PARITY, True),
    Fault("no bias correction of v", OPTIMIZERS, "mx.sqrt(1 - b2**t)", "mx.array(1.0)", PARITY),
    Fault(
        "sign before the sum of equal rows", OPTIMIZERS, "mx.sign(same_row @ gradients)", "mx.sign(gradients)", PARITY
    ),
    Fault("optimiser not restored", LOAD, STATE, not_restored("optimizer"), RESUME, True),
    Fault("carry not restored", LOAD, STATE, not_restored("carry"), RESUME),
    Fault("random state not restored", LOAD, STATE, not_restored("random"), RESUME),
    Fault("metrics since the last report not restored", LOAD, STATE, not_restored("metrics"), RESUME),
    Fault("position in the data not saved", SAVE, '"position": self.position.batches', '"position": 0', RESUME, True),
    Fault("step not saved", SAVE, '"step": self.position.step', '"step": self.position.step + 1', RESUME),
)


def copy_of_the_workspace(to: Path) -> None:
    """Copy what git tracks, as it stands in the work tree."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in names.decode().split("\0")[:-1]:
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((ROOT / name).read_bytes())


def run(tests: tuple[str, ...], root: Path) -> subprocess.CompletedProcess[str]:
    """Run tests in a copy, on its sources; not compiled, which would take most of the time and changes no number."""
    sources = [str(root / item.folder.relative_to(ROOT) / "src") for item in distributions().values()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sources), "MLX_DISABLE_COMPILE": "1", "CI": "true"}
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900, check=False)


def main() -> int:
    """Inject every fault in turn; 1 where one is not noticed, or where tests fail without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="one fault of each kind")
    short = parser.parse_args().short
    faults = [fault for fault in FAULTS if fault.short or not short]
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_of_the_workspace(root)
        without = run((*PARITY, *RESUME), root)
        if without.returncode:
            print(f"tests fail without a fault:\n{without.stdout}{without.stderr}")
            return 1
        for fault in faults:
            file, text = root / fault.file, (ROOT / fault.file).read_text()
            if text.count(fault.right) != 1:
                print(f"{fault.name}: '{fault.right}' must stand once in {fault.file}; bring .ci/faults.py up to date")
                return 1
            file.write_text(text.replace(fault.right, fault.wrong))
            done = run(fault.tests, root)
            file.write_text(text)
            failed = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")]
            noticed = done.returncode == 1 and failed
            print(f"{fault.name}: {', '.join(failed) if noticed else 'NOT NOTICED'}", flush=True)
            missed += [] if noticed else [f"{fault.name} (pytest's exit code was {done.returncode})"]
    if missed:
        print(f"{len(missed)} of {len(faults)} faults were not noticed: {'; '.join(missed)}")
        return 1
    print(f"all {len(faults)} faults were noticed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
