"""The metadata of a split, `dataset.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hrm_data._errors import HRMDataError
from hrm_data.untrusted import at_most, parse_json, quoted, read_bytes, shortened

SetName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\\\x00]+$")]

_MEMORY = at_most(2**16, "bounds the memory of batches and of a model's states")
_NUMBERS = at_most(2**31 - 1, "an index of 32 bits can hold")

MOST_COMPLAINTS = 5
"""Faults of a file that one message names."""
MOST_BYTES = 1 << 20
"""The most bytes of a `dataset.json`, which has some hundred."""


class DatasetMetadata(BaseModel):
    """The reference's `dataset.json`: vocabulary, lengths and counts of one split.

    `ignore_label_id` may be null, which ignores nothing. Groups are counted over all sets of the split.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    pad_id: int = Field(ge=0)
    ignore_label_id: int | None = Field(ge=0)
    blank_identifier_id: int = Field(ge=0)
    vocab_size: Annotated[int, _MEMORY] = Field(ge=1)
    seq_len: Annotated[int, _MEMORY] = Field(ge=1)
    num_puzzle_identifiers: Annotated[int, _NUMBERS] = Field(ge=1)
    total_groups: Annotated[int, _NUMBERS] = Field(ge=0)
    mean_puzzle_examples: Annotated[float, _NUMBERS] = Field(ge=0, allow_inf_nan=False)
    sets: tuple[SetName, ...] = Field(min_length=1, max_length=1000, strict=False)

    @property
    def examples_in_an_epoch(self) -> float:
        """Examples of one pass, which takes one puzzle of every group."""
        return self.total_groups * self.mean_puzzle_examples

    @model_validator(mode="after")
    def _ids_are_in_range(self) -> DatasetMetadata:
        if self.pad_id >= self.vocab_size:
            raise ValueError(f"pad_id {self.pad_id} is not below vocab_size {self.vocab_size}")
        if self.ignore_label_id is not None and self.ignore_label_id >= self.vocab_size:
            raise ValueError(f"ignore_label_id {self.ignore_label_id} is not below vocab_size {self.vocab_size}")
        if self.blank_identifier_id >= self.num_puzzle_identifiers:
            raise ValueError(
                f"blank_identifier_id {self.blank_identifier_id} is not below "
                f"num_puzzle_identifiers {self.num_puzzle_identifiers}"
            )
        if len(set(self.sets)) != len(self.sets):
            raise ValueError(f"sets {list(self.sets)} names one set twice")
        return self


def read_metadata(path: Path) -> DatasetMetadata:
    """Metadata from a `dataset.json`; raises `HRMDataError` naming file, field, value and remedy."""
    try:
        content = read_bytes(path, MOST_BYTES)
        parse_json(content)  # which refuses what pydantic reads without a word, such as a key that stands there twice
        return DatasetMetadata.model_validate_json(content)
    except FileNotFoundError:
        raise HRMDataError(f"{path} does not exist; is {path.parent} a split of a dataset directory?") from None
    except OSError as error:
        raise HRMDataError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise HRMDataError(f"{path}: {describe(error)}; correct the file or build the dataset again") from None
    except ValueError as error:
        raise HRMDataError(
            f"{path}: not readable JSON ({shortened(error)}); correct the file or build the dataset again"
        ) from None


def describe(error: ValidationError) -> str:
    """The complaints of pydantic in one line: field, value, what was expected."""
    parts = []
    for item in error.errors(include_url=False)[:MOST_COMPLAINTS]:
        field = shortened(".".join(str(part) for part in item["loc"]))
        where = f"field {field}: " if field else ""
        value = "" if item["type"] in ("missing", "json_invalid", "value_error") else f" (got {quoted(item['input'])})"
        parts.append(f"{where}{shortened(item['msg'])}{value}")
    return "; ".join(parts)
