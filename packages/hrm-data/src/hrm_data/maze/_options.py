"""What a maze dataset is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hrm_data.untrusted import at_most

MAZE_SIZES = range(4, 65)
"""Allowed sizes: cells in a side of a maze."""
HARD_SIZE = 30
"""Cells in a side of the paper's mazes, Maze-Hard."""
PUBLISHED = "sapientinc/maze-30x30-hard-1k"
"""Dataset of the Hugging Face hub with the paper's mazes."""

_MOST = at_most(10**6, "bounds the memory that mazes take, which are made or read at once")


class MazeOptions(BaseModel):
    """What a maze dataset is made from: the generator, CSV files, or a dataset of the hub."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    size: int | None = Field(
        None,
        ge=MAZE_SIZES[0],
        le=MAZE_SIZES[-1],
        description=f"Cells in a side (generated: {HARD_SIZE}, files: theirs).",
    )
    train: Annotated[int | None, _MOST] = Field(None, ge=1, description="Training mazes (generated: 1000, files: all).")
    test: Annotated[int | None, _MOST] = Field(None, ge=0, description="Held-out mazes (generated: 1000, files: all).")
    min_length: Annotated[int | None, at_most(64 * 64, "is more than any maze has cells")] = Field(
        None, ge=1, description="Least moves on a shortest path (generated: 111 for 30x30, else the size)."
    )
    unique: bool = Field(False, description="Generated mazes have one shortest path only.")
    mirrored: bool = Field(False, description="Write every training maze in its eight turns and mirrorings.")
    seed: Annotated[int, at_most(2**63 - 1, "a seed of 64 bits can hold")] = Field(
        0, ge=0, description="Seed of generation and of subsampling."
    )
    train_csv: Path | None = Field(None, description="CSV file with training, or all, mazes.")
    test_csv: Path | None = Field(
        None, description="CSV file with test mazes; without it they are split off train_csv."
    )
    hub: str | None = Field(
        None, description=f"Dataset of the Hugging Face hub with train.csv and test.csv, such as {PUBLISHED}."
    )

    @model_validator(mode="after")
    def _agrees(self) -> MazeOptions:
        if self.test_csv and not self.train_csv:
            raise ValueError("test_csv is given without train_csv; give both, or train_csv alone")
        if self.train_csv and self.hub:
            raise ValueError("train_csv and hub are both given; give one of them")
        if (self.train_csv or self.hub) and self.unique:
            raise ValueError("unique is for generated mazes; leave it out with train_csv and hub")
        return self
