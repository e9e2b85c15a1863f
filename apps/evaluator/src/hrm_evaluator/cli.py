"""The command line ``evaluator``: its settings, and which function serves them."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg, CliSubCommand

from hrm_evaluator._arguments import CommandLine, Words, parse
from hrm_evaluator._errors import UserError

# MLX, NumPy and rich are imported by the functions that need them, so that --help answers at once.

_USAGE = """evaluator [options]
       evaluator solve [PUZZLE ...] [options]
       evaluator quantize --output FILE [options]"""


def _option(default: Any, group: str, description: str, metavar: str = "", **bounds: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"group": group, "metavar": metavar}, **bounds)


class Source(BaseModel):
    """Where the model and its data come from."""

    checkpoint: Path | None = _option(
        None, "model", "checkpoint, run or .safetensors (default: the newest run)", "PATH"
    )
    runs: Path = _option(Path("runs"), "model", "where the newest run is looked for", "DIR")
    data_path: Path | None = _option(None, "model", "dataset directory (default: the run's own)", "DIR")
    task: str | None = _option(None, "model", "kind of puzzle, where neither run nor dataset says it", "NAME")


class Thinking(BaseModel):
    """How long the model thinks about a puzzle."""

    halting: Literal["q", "max", "confidence", "stable"] = _option(
        "q", "thinking", "q, confidence, stable, or max: never early", "RULE"
    )
    threshold: float | None = _option(None, "thinking", "how sure for confidence (default: 0.5)", "P", ge=0, le=1)
    patience: int | None = _option(None, "thinking", "unchanged steps for stable (default: 2)", "N", ge=1)
    max_steps: int | None = _option(None, "thinking", "most steps of a puzzle (default: as in training)", "N", ge=1)
    batch_size: int = _option(256, "thinking", "most puzzles at once", "N", ge=1)


class Voting(BaseModel):
    """Who answers a puzzle, and which answer wins."""

    votes: int = _option(1, "voting", "answer symmetric copies too, and vote", "K", ge=1)
    checkpoints: int = _option(1, "voting", "let the run's newest N vote", "N", ge=1)
    vote_by: Literal["majority", "confidence"] | None = _option(
        None, "voting", "majority (default) or confidence (of ARC's copies)", "RULE"
    )


class Solve(Voting, Source, Thinking):
    """Solve puzzles of your own; exit with 1 if an answer breaks the rules or a line could not be read."""

    puzzle: CliPositionalArg[Words] = Field(
        [], description="cells in reading order, . for a blank; stdin is read if there is none, or for -"
    )
    file: Path | None = _option(None, "puzzles", "text with a puzzle a line, CSV, or JSON of ARC tasks", "FILE")
    boards: bool = _option(False, "report", "draw boards of a file's puzzles too, not one line for each")
    png: Path | None = _option(None, "report", "write the first answer's board as PNG", "FILE")
    gif: Path | None = _option(None, "report", "write the steps to the first answer as GIF", "FILE")
    overwrite: bool = _option(False, "report", "replace files of these names")
    as_json: bool = _option(False, "report", "print one JSON object for each puzzle and nothing else", alias="json")


class Quantize(Source):
    """Write a model with weights of 8 or 4 bits, which answers as a checkpoint does."""

    bits: Literal["8", "4"] = _option("8", "quantisation", "bits of a weight", "N")
    group_size: Literal["32", "64", "128"] = _option("32", "quantisation", "weights that share a scale", "N")
    output: Path = Field(
        description="the new .safetensors", json_schema_extra={"group": "quantisation", "metavar": "FILE"}
    )
    as_json: bool = _option(False, "report", "print one JSON object and nothing else", alias="json")


class Evaluate(Voting, Thinking, Source, CommandLine):
    """Score a trained Hierarchical Reasoning Model on the test split of its dataset."""

    limit: int | None = _option(None, "scoring", "score the first N puzzles only (default: all)", "N", ge=1)
    save_predictions: Path | None = _option(None, "report", "write every answer to FILE.npz", "FILE")
    submission: Path | None = _option(None, "report", "write an ARC Prize submission.json", "FILE")
    show: int = _option(3, "report", "boards to show", "N", ge=0)
    as_json: bool = _option(False, "report", "print one JSON object and nothing else", alias="json")
    report: Path | None = _option(None, "report", "write DIR/index.html: scores, curves, a viewer of the steps", "DIR")
    report_puzzles: int = _option(50, "report", "puzzles in the viewer", "N", ge=0)
    png: Path | None = _option(None, "report", "write accuracy by step and a histogram as PNG", "FILE")
    gif: Path | None = _option(None, "report", "write the steps of the first puzzle as GIF", "FILE")
    overwrite: bool = _option(False, "report", "replace files of these names")
    solve: CliSubCommand[Solve] = Field(description="solve puzzles of your own")
    quantize: CliSubCommand[Quantize] = Field(description="write a model with smaller weights")


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

    from hrm_evaluator._evaluate import evaluate
    from hrm_evaluator._quantize import write_quantized
    from hrm_evaluator._solve import solve

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
