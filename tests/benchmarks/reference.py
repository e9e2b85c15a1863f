"""The PyTorch implementation as a contender: a worker in another Python, which works when it is told to."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from hrm_model import HRMConfig
from hrm_ops import device_info
from measure import Size

WORKER = Path(__file__).with_name("reference_worker.py")
NEEDED = Path("models", "hrm", "hrm_act_v1.py")


class Reference:
    """A process that holds the reference's model and computes only between a question and its answer."""

    def __init__(self, python: str, job: dict[str, Any]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([python, str(WORKER)], stdin=pipe, stdout=pipe, text=True)
        self.about = self._ask(job)

    def __call__(self) -> float:
        """Let it work once; return the seconds that it took."""
        return self._ask("work")["seconds"]

    def memory(self) -> str:
        """Say how much memory it has held at most."""
        return self._ask("memory")["memory"]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _ask(self, question: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        said = json.loads(answer) if answer else {"error": f"it ended with exit code {self.process.wait()}"}
        if "error" in said:
            self.close()
            fail(f"the reference does not run: {said['error']}; --python should be one with torch and pydantic")
        return said


@contextmanager
def references(
    args: argparse.Namespace, size: Size, config: HRMConfig, batch: dict[str, np.ndarray], *, training: bool
) -> Iterator[dict[str, Reference]]:
    """Start a worker for each dtype that is asked for, if there is a checkout, and the model is of its form."""
    with ExitStack() as stack:
        found: dict[str, Reference] = {}
        for dtype in args.reference_dtype if args.reference and size.form == "hrm" else ():
            job = {
                "checkout": str(args.reference.resolve()),
                "config": config.model_dump(include=_fields())
                | {"forward_dtype": dtype, "batch_size": len(batch["inputs"])},
                "batch": {name: array.tolist() for name, array in batch.items()},
                "training": training,
                "compile": not args.reference_eager,
                "threads": device_info().cores,
            }
            worker = Reference(args.python, job)
            stack.callback(worker.close)
            found[f"{worker.about['name']}, {dtype}"] = worker
        yield found


def check(args: argparse.Namespace) -> None:
    """End with one line if there is no checkout or no Python where one is said to be."""
    if args.reference is None:
        return
    if not (args.reference / NEEDED).is_file():
        fail(f"--reference {args.reference}: is no checkout of the reference, it has no {NEEDED}")
    try:
        subprocess.run([args.python, "-c", "pass"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"--python {args.python}: does not run ({error})")


def fail(message: str) -> None:
    """End as after a mistake of the user's."""
    print(message, file=sys.stderr)
    sys.exit(2)


def _fields() -> set[str]:
    """What the reference's configuration has."""
    names = "seq_len puzzle_emb_ndim num_puzzle_identifiers vocab_size H_cycles L_cycles H_layers L_layers"
    names += " hidden_size expansion num_heads pos_encodings rms_norm_eps rope_theta"
    return {*names.split(), "halt_max_steps", "halt_exploration_prob"}
