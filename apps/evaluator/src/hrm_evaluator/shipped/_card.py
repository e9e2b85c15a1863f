"""`Card`: what is known of a model that comes along."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Accuracy(BaseModel):
    """How well the model answers puzzles of one kind that it has not seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    puzzles: str = Field(description="The kind of puzzles, in words.")
    build: dict[str, Any] = Field(description="The options of `hrm-data build` that make such puzzles.")
    count: int = Field(ge=1, description="Number of puzzles.")
    exact: float = Field(ge=0, le=1, description="Share that is right in every cell.")
    mean_steps: float = Field(ge=0, description="ACT steps of a puzzle on average.")


class Card(BaseModel):
    """A model that comes along: where it comes from, how good it is, and what it cannot do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The name with which a command asks for it.")
    summary: str = Field(description="What it solves, in one sentence.")
    task: dict[str, Any] = Field(description="The puzzles, as in a dataset's `task.json`.")
    package: str | None = Field(None, description="The package that knows these puzzles, if it is none of ours.")
    command: str = Field(description="The command that trained it.")
    data: dict[str, Any] = Field(description="The options of the puzzles it was trained on: `--data.` of the trainer.")
    commit: str = Field(description="The commit of this repository at which it was trained.")
    machine: str = Field(description="The machine that trained it.")
    minutes: float = Field(ge=0, description="Minutes from the first to the last training step.")
    steps: int = Field(ge=1, description="Training steps.")
    parameters: int = Field(ge=1, description="Number of trained parameters.")
    bits: int = Field(description="Bits of a weight in the matrices, as shipped.")
    accuracy: tuple[Accuracy, ...] = Field(description="As shipped, halting early, on two CPU cores.")
    limits: tuple[str, ...] = Field(description="What it cannot do.")
    sha256: str = Field(description="Checksum of the weight file.")
    licence: str = Field("Apache-2.0", description="Licence of the weights.")
