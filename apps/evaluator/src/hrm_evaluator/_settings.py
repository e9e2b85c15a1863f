"""The options of the commands, as data."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from hrm_data.untrusted import at_most
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hrm_evaluator._errors import UserError
from hrm_evaluator.shipped._models import weights_of

MOST_ANSWERS = 10_000
"""Answers to a puzzle from all votes, trajectories and checkpoints, which are in memory together."""
_BOARDS = at_most(100_000, "bounds the memory of what is shown")
_STEPS = at_most(10_000, "bounds the memory of the answers after every step")
_ANSWERS = at_most(MOST_ANSWERS, "bounds the memory of the answers that vote")


def _option(default: Any, group: str, description: str, metavar: str = "", **bounds: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"group": group, "metavar": metavar}, **bounds)


class Source(BaseModel):
    """The model and its data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: str | None = _option(
        None, "model and data", "Run, checkpoint, file or hf:// id (default: newest).", "PATH"
    )
    model: str | None = _option(None, "model and data", "Model that comes along, such as sudoku-9x9.", "NAME")
    runs: Path = _option(Path("runs"), "model and data", "Directory of the runs.", "DIR")
    data_path: Path | None = _option(None, "model and data", "Dataset directory (default: the run's).", "DIR")
    task: str | None = _option(None, "model and data", "Task, such as sudoku-2x3, if no file names it.", "NAME")

    @field_validator("model")
    @classmethod
    def _comes_along(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                weights_of(name)
            except UserError as error:
                raise ValueError(str(error)) from None
        return name

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.model and self.checkpoint:
            raise ValueError(f"--model {self.model} and --checkpoint {self.checkpoint} name two models; give one")
        return self

    @property
    def named(self) -> str | Path | None:
        """The checkpoint or model that the options name; None for the newest run."""
        return weights_of(self.model) if self.model else self.checkpoint


class Halting(BaseModel):
    """When the model is done with a puzzle."""

    halting: Literal["q", "max", "confidence", "stable"] = _option(
        "q", "answering", "When to stop on a puzzle; max: never early."
    )
    threshold: float | None = _option(
        None, "answering", "Probability at which confidence stops (default: 0.5).", "P", ge=0, le=1
    )
    patience: Annotated[int | None, _STEPS] = _option(
        None, "answering", "Unchanged steps after which stable stops (default: 2).", "N", ge=1
    )
    max_steps: Annotated[int | None, _STEPS] = _option(
        None, "answering", "Most steps (default: as in training).", "N", ge=1
    )
    batch_size: Annotated[int, at_most(2**16, "bounds the memory of a step")] = _option(
        256, "answering", "Puzzles at once.", "N", ge=1
    )


class Thinking(BaseModel):
    """What is added to one pass over a puzzle."""

    noise: Annotated[float, at_most(100, "leaves something of the states")] = _option(
        0.0, "answering", "Standard deviation of noise on the states.", "SIGMA", ge=0, allow_inf_nan=False
    )
    trajectories: Annotated[int, _ANSWERS] = _option(1, "answering", "Answers that differ by their noise.", "K", ge=1)
    seed: Annotated[int, at_most(2**31 - 1, "a seed of 31 bits can hold")] = _option(
        0, "answering", "Seed of the noise.", "N", ge=0
    )
    commit: float | None = _option(
        None, "answering", "At the end, fix cells of this probability; continue.", "P", ge=0, le=1
    )


class Voting(BaseModel):
    """Which answers vote, and which of them wins."""

    votes: Annotated[int, _ANSWERS] = _option(1, "answering", "Symmetric copies that vote, puzzle included.", "K", ge=1)
    checkpoints: Annotated[int, at_most(100, "bounds the memory of the models")] = _option(
        1, "answering", "Newest checkpoints of the run that vote.", "N", ge=1
    )
    vote_by: Literal["majority", "confidence", "halting", "check"] | None = _option(
        None, "answering", "Which wins (default: majority; noise: halting; ARC: confidence)."
    )


class Answering(Voting, Thinking, Halting, Source):
    """How many answers a puzzle gets, and from which model."""

    @model_validator(mode="after")
    def _answers_fit(self) -> "Answering":
        answers = self.votes * self.trajectories * self.checkpoints
        if answers > MOST_ANSWERS:
            raise ValueError(
                f"--votes {self.votes}, --trajectories {self.trajectories} and --checkpoints {self.checkpoints} make "
                f"{answers:,} answers to a puzzle; at most {MOST_ANSWERS:,} may vote, which bounds their memory"
            )
        return self


class Solve(Answering):
    """The options of `evaluator solve`."""

    until_valid: bool = _option(False, "answering", "Search on until an answer obeys the rules.")
    time_limit: Annotated[float | None, at_most(1e6, "ends the search within two weeks")] = _option(
        None, "answering", "Most seconds of the search for a puzzle (default: 10).", "S", gt=0, allow_inf_nan=False
    )
    file: Path | None = _option(None, "puzzles", "Puzzles as text, CSV, JSON or XML, also gzipped.", "FILE")
    boards: bool = _option(False, "report", "Draw the boards of a file's puzzles too.")
    png: Path | None = _option(None, "report", "Write the first answer's board as PNG.", "FILE")
    gif: Path | None = _option(None, "report", "Write the first answer's steps as GIF.", "FILE")
    overwrite: bool = _option(False, "report", "Replace existing files.")
    as_json: bool = _option(False, "report", "Print one JSON object per puzzle.")


class Models(BaseModel):
    """The options of `evaluator models`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_json: bool = _option(False, "report", "Print JSON.")


class Quantize(Source):
    """The options of `evaluator quantize`."""

    bits: Literal["8", "4"] = _option("8", "quantisation", "Bits of a weight.")
    group_size: Literal["32", "64", "128"] = _option("32", "quantisation", "Weights that share a scale.")
    output: Path = _option(..., "quantisation", "The new .safetensors file (required).", "FILE")
    as_json: bool = _option(False, "report", "Print one JSON object.")


class Playground(Source):
    """The options of `evaluator playground`; without a model, run or dataset it takes the models that come along."""

    checkpoint: str | None = _option(
        None, "model and data", "Run, checkpoint, .safetensors (default: models that come along).", "PATH"
    )
    examples: Path | None = _option(None, "puzzles", "Dataset of the examples (default: the run's, or new).", "DIR")
    puzzles: Annotated[int, at_most(10_000, "bounds the size of the page")] = _option(
        50, "puzzles", "Examples inside the page.", "N", ge=1
    )
    overwrite: bool = _option(False, "report", "Replace an existing file.")
    as_json: bool = _option(False, "report", "Print one JSON object.")


class Scoring(BaseModel):
    """What is scored, and with which ablation."""

    limit: Annotated[int | None, at_most(2**31 - 1, "is more than a dataset has puzzles")] = _option(
        None, "model and data", "Score N puzzles (ARC: the first N, else spread evenly).", "N", ge=1
    )
    identifiers: Literal["given", "blank"] | None = _option(
        None, "model and data", "Puzzles' own embeddings, or one for all (default: as trained)."
    )


class Compare(Scoring, Halting):
    """The options of `evaluator compare`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_path: Path | None = _option(None, "model and data", "Dataset directory (default: the runs').", "DIR")
    as_json: bool = _option(False, "report", "Print JSON.")


class Evaluate(Scoring, Answering):
    """The options of `evaluator`."""

    save_predictions: Path | None = _option(None, "report", "Write every answer to an .npz.", "FILE")
    submission: Path | None = _option(None, "report", "Write a submission to the ARC Prize.", "FILE")
    show: Annotated[int, _BOARDS] = _option(3, "report", "Boards to show.", "N", ge=0)
    as_json: bool = _option(False, "report", "Print one JSON object.")
    report: Path | None = _option(None, "report", "Write a page of scores, curves and steps.", "DIR")
    report_puzzles: Annotated[int, _BOARDS] = _option(50, "report", "Puzzles on the page.", "N", ge=0)
    png: Path | None = _option(None, "report", "Write the curves as PNG.", "FILE")
    gif: Path | None = _option(None, "report", "Write the first puzzle's steps as GIF.", "FILE")
    overwrite: bool = _option(False, "report", "Replace existing files.")
