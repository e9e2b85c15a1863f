"""The command line ``evaluator``: its settings, and which function serves them."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from hrm_evaluator._arguments import parse
from hrm_evaluator._errors import UserError
from hrm_evaluator._settings import Evaluate

# MLX, NumPy and rich are imported by the functions that need them, so that --help answers at once.

_USAGE = """evaluator [options]
       evaluator solve [PUZZLE ...] [options]
       evaluator quantize --output FILE [options]"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 2 for a user's mistake, 1 for a failure, 130 on Ctrl-C."""
    try:
        settings = parse(Evaluate, argv, "evaluator", _USAGE)
        code = _run(settings)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"evaluator: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("evaluator: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print(f"evaluator: failed: {error}", file=sys.stderr)
        _drop_stdout()
        return 1
    except RuntimeError as error:
        from hrm_ops import explain_mlx_error

        if not (failure := explain_mlx_error(error)):
            raise
        print(f"evaluator: failed: {failure}", file=sys.stderr)
        return 1


def _run(settings: Evaluate) -> int:
    commands = {"solve", "quantize"}
    misplaced = settings.model_fields_set - commands
    for command in commands:
        if getattr(settings, command) is not None and misplaced:
            flags = ", ".join(f"--{name.removeprefix('as_').replace('_', '-')}" for name in sorted(misplaced))
            raise UserError(f"{flags} stands before {command}; write options of {command} behind it")

    from hrm_data import HRMDataError
    from hrm_model import HRMModelError
    from hrm_train import HRMTrainError

    from hrm_evaluator.commands.evaluate import evaluate
    from hrm_evaluator.commands.quantize import write_quantized
    from hrm_evaluator.commands.solve import solve

    try:
        if settings.quantize is not None:
            return write_quantized(settings.quantize)
        return evaluate(settings) if settings.solve is None else solve(settings.solve)
    except (HRMDataError, HRMModelError, HRMTrainError) as error:
        raise UserError(str(error)) from error


def _drop_stdout() -> None:
    """Send what is still to be written nowhere, because the flush at exit would fail again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
