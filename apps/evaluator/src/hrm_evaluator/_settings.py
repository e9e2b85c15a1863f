"""The options of the commands, as data."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg, CliSubCommand

from hrm_evaluator._arguments import CommandLine, Words


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
