"""The board of a puzzle in a model's configuration: places, groups of places, and interchangeable tokens."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hrm_model.untrusted import at_most, quoted, shortened


class GeometryConfig(BaseModel):
    """The board that a model answers. Token `i` stands in row `i // columns` and column `i % columns`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[int, at_most(2**16, "is more than a puzzle has tokens")] = Field(
        ge=1, description="Tokens in a row of the board."
    )
    groups: tuple[Annotated[tuple[int, ...], Field(max_length=2**16)], ...] = Field(
        (), max_length=64, description="For each kind of group besides rows and columns, the group of each token."
    )
    symbols: tuple[int, ...] = Field((), max_length=1024, description="Interchangeable tokens.")
    constants: tuple[int, ...] = Field((), max_length=1024, description="Further tokens that an answer may hold.")

    @property
    def planes(self) -> tuple[int, ...]:
        """Tokens that an answer may hold, the interchangeable ones first."""
        return self.symbols + self.constants

    def groups_of(self, length: int) -> list[list[int]]:
        """Return for each kind of group, rows and columns first, the group of each of `length` tokens."""
        row_and_column = [divmod(i, self.columns) for i in range(length)]
        return [list(axis) for axis in zip(*row_and_column, strict=True)] + [list(group) for group in self.groups]

    def problem(self, length: int, vocab_size: int) -> str | None:
        """Say what does not fit puzzles of `length` tokens out of `vocab_size`; None if all does."""
        for group in self.groups:
            if len(group) != length or min(group) < 0 or max(group) >= length:
                most = shortened(max(group, default=0))
                return f"a group names {len(group)} tokens, and numbers up to {most}, but a puzzle has {length}"
        tokens = self.planes
        if len(set(tokens)) < len(tokens) or not all(0 <= token < vocab_size for token in tokens):
            return (
                f"symbols {quoted(self.symbols)} and constants {quoted(self.constants)} must be different tokens below "
                f"{vocab_size}"
            )
        return None
