"""`Geometry`: where a puzzle's tokens stand on its board, and which tokens are interchangeable."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Geometry(BaseModel):
    """The board of a task, for models that know of places and symbols.

    Token `i` stands in row `i // columns` and column `i % columns`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: int = Field(ge=1, description="Tokens in a row of the board.")
    groups: tuple[tuple[int, ...], ...] = Field(
        (), description="For each kind of group besides rows and columns, such as Sudoku's boxes, each token's group."
    )
    symbols: tuple[int, ...] = Field(
        (), description="Interchangeable tokens: a puzzle in which they are renamed has the renamed answer."
    )
    constants: tuple[int, ...] = Field((), description="Further tokens that an answer may hold.")
