"""`python -m hrm_ops`: the device that MLX uses, its speed, and what to install for more."""

import argparse
import json
import sys
from collections.abc import Sequence

from hrm_ops.doctor._diagnose import Diagnosis, diagnose


def main(argv: Sequence[str] | None = None, prog: str = "python -m hrm_ops") -> int:
    """Print the diagnosis of this machine.

    Args:
        argv: Arguments without the program's name; those of the process when left out.
        prog: How the command is called, for its help.

    Returns:
        0, or 1 when something is broken.
    """
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args(argv)
    diagnosis = diagnose()
    print(json.dumps(diagnosis.to_dict(), indent=2) if options.json else _text(diagnosis))
    return 1 if diagnosis.problems else 0


def _text(diagnosis: Diagnosis) -> str:
    rows: list[tuple[str, str]] = []
    if device := diagnosis.device:
        blas, least = device.blas, "at least " if diagnosis.busy else ""
        fused = [f"{name} with heads of {', '.join(map(str, sizes))}" for name, sizes in device.fused_attention.items()]
        rows = [
            ("platform", device.platform),
            ("chip", f"{device.chip}, {device.cores} cores"),
            ("backend", device.backend),
            ("memory", f"{device.memory / 2**30:.1f} GiB, {device.memory_available / 2**30:.1f} available"),
            ("MLX", device.mlx),
            ("BLAS", f"{blas.name}, {blas.threads} threads" if blas.active else f"{blas.name}: {blas.reason}"),
            ("compile", f"works, with {device.compiler}" if diagnosis.compile_works else "has no effect"),
            (
                "own kernels",
                diagnosis.native_problem or ("work" if device.backend == "cpu" else "none on this backend"),
            ),
            ("fused attention", "; ".join(fused) or "none on this backend"),
            *((name, f"{least}{rate:.1f} GFLOP/s") for name, rate in diagnosis.rates.items()),
        ]
        from hrm_ops.linux import patches

        rows += [("changed", f"{patch.change}: {patch.reason}") for patch in patches()]
    rows += [("note", note) for note in diagnosis.notes]
    rows += [("broken", problem) for problem in diagnosis.problems]
    rows += [("for speed", advice) for advice in diagnosis.advice]
    rows += [("verdict", diagnosis.verdict)]
    return "\n".join(f"{name:<19}{value}" for name, value in rows)


if __name__ == "__main__":
    sys.exit(main())
