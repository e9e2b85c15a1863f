"""What a Sudoku dataset is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hrm_data._split import TEST_SHARE
from hrm_data.untrusted import at_most

Kind = Literal["any", "minimal", "singles", "search", "hard"]
"""Difficulty of generated puzzles, see `generate_sudoku`."""

HARD_RATING = 22.0
"""Mean number of backtracks that the HRM paper states for Sudoku-Extreme (section 3.1)."""
PROVE_AT_MOST = 20_000
"""Rows up to which each puzzle is proved by default to have one solution."""
GENERATE_AT_MOST = 10_000_000
"""Generated puzzles of a split: in memory so many take a few gigabytes."""
PUBLISHED = "sapientinc/sudoku-extreme"
"""Dataset of the Hugging Face hub with the paper's Sudokus."""


def _box(value: Any) -> Any:
    if _numbers(value) != 2:
        raise ValueError("should be two numbers, rows and columns of a box, as in 2,3")
    return value


def _clues(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:  # what the command line makes of one number
        value = value[0]
    if value is not None and _numbers(value) not in (1, 2):
        raise ValueError("should be a number of clues, or the least and the most, as in 4,6")
    return value


def _numbers(value: Any) -> int:
    """How many whole numbers a value holds, alone or in a list; 0 if it holds anything else."""
    items = value if isinstance(value, list | tuple) else [value]
    return len(items) if all(str(item).isdecimal() for item in items) else 0


_MOST = at_most(10**9, "bounds the disk that a dataset takes")
_RATING = at_most(10**9 - 1, "is the greatest rating that is read or found")
Clues = Annotated[int | tuple[int, int] | None, BeforeValidator(_clues)]


class SudokuOptions(BaseModel):
    """What a Sudoku dataset is made from; with `train_csv` from files, else from the generator."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    box: Annotated[tuple[int, int], BeforeValidator(_box)] = Field((3, 3), description="Rows and columns of a box.")
    train: Annotated[int | None, _MOST] = Field(None, ge=1, description="Training puzzles (generated: 1000, CSV: all).")
    test: Annotated[int | None, _MOST] = Field(None, ge=0, description="Held-out puzzles (generated: 1000, CSV: all).")
    kind: Kind = Field("minimal", description="Difficulty of generated puzzles.")
    clues: Clues = Field(None, description="Clues of generated puzzles: their number, or the least and the most.")
    test_kind: Kind | None = Field(
        None, description="Difficulty of generated test puzzles, if not that of the training puzzles."
    )
    test_clues: Clues = Field(
        None, description="Clues of generated test puzzles: their number, or the least and the most; needs test_kind."
    )
    mean_rating: Annotated[float, at_most(1000, "bounds the time of the search for such puzzles")] = Field(
        HARD_RATING, gt=0, description="Mean rating of generated puzzles of kind hard; higher ones take longer to make."
    )
    min_rating: Annotated[int, _RATING] = Field(0, ge=0, description="Least rating of a puzzle.")
    max_rating: Annotated[int | None, _RATING] = Field(None, ge=0, description="Greatest rating of a puzzle.")
    seed: Annotated[int, at_most(2**63 - 1, "a seed of 64 bits can hold")] = Field(
        0, ge=0, description="Seed of generation and of subsampling."
    )
    test_share: float = Field(TEST_SHARE, gt=0, lt=1, description="Share of the orbits that is kept for test.")
    train_csv: Path | None = Field(None, description="CSV file with training, or all, puzzles.")
    test_csv: Path | None = Field(
        None, description="CSV file with test puzzles; without it they are split off train_csv."
    )
    hub: str | None = Field(
        None, description=f"Dataset of the Hugging Face hub with train.csv and test.csv, such as {PUBLISHED}."
    )
    prove: bool | None = Field(
        None,
        description=f"Refuse puzzles from files with several solutions (default: up to {PROVE_AT_MOST:,} puzzles).",
    )

    @model_validator(mode="after")
    def _agrees(self) -> SudokuOptions:
        if self.test_csv and not self.train_csv:
            raise ValueError("test_csv is given without train_csv; give both, or train_csv alone")
        if self.train_csv and self.hub:
            raise ValueError("train_csv and hub are both given; give one of them")
        if (self.train_csv or self.hub) and (self.kind != "minimal" or self.clues is not None or self.test_kind):
            raise ValueError("kind and clues are for generated puzzles; leave them out with train_csv and hub")
        most = max(self.train or 0, self.test or 0)
        if most > GENERATE_AT_MOST and not (self.train_csv or self.hub):
            raise ValueError(
                f"{most:,} puzzles cannot be generated; at most {GENERATE_AT_MOST:,} fit into memory, so ask for "
                "fewer, or give a file"
            )
        if self.test_clues is not None and self.test_kind is None:
            raise ValueError("test_clues is given without test_kind; give both, or neither")
        if self.max_rating is not None and self.max_rating < self.min_rating:
            raise ValueError(f"max_rating {self.max_rating} is below min_rating {self.min_rating}; exchange them")
        return self
