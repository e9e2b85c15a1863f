"""What an ARC dataset is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hrm_data.untrusted import at_most


def _listed(value: Any) -> Any:
    """Split text at commas; empty text is no path, rather than the working directory."""
    if isinstance(value, Path | float):
        return (value,)
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part for part in parts if part != "") if isinstance(parts, list | tuple) else parts


def _texts(value: Any) -> Any:
    """The same, with shares and paths as text."""
    parts = _listed(value)
    return tuple(str(part) if isinstance(part, Path | float) else part for part in parts) if parts else parts


class ArcOptions(BaseModel):
    """What an ARC dataset is made from: task files (`source`), or a download of the published ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = Field(
        (), description="Directories, archives or JSON files with the tasks, with commas between them."
    )
    download: bool = Field(False, description="Fetch the published tasks from GitHub.")
    mirror: str = Field("https://codeload.github.com", description="What to download from, if not from GitHub itself.")
    held_out: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        (),
        description="What is held out, with commas: names of tasks (also with * and ?), a share such as 0.1, or paths "
        "of more task files; without it the tasks in folders or files named evaluation or test.",
    )
    strict: bool = Field(False, description="Do not train on the demonstrations of held-out tasks either.")
    too_large: Literal["refuse", "skip"] = Field(
        "refuse", description="What is done with tasks that have a grid larger than 30x30."
    )
    augmentations: Annotated[int, at_most(100_000, "bounds the memory that the copies take")] = Field(
        1000, ge=0, description="Augmented copies of each task."
    )
    online: bool = Field(True, description="Store the tasks and augment while loading; else write every copy (9 GB).")
    seed: Annotated[int, at_most(2**63 - 1, "a seed of 64 bits can hold")] = Field(
        0, ge=0, description="Seed of the augmentations."
    )
    subset: Annotated[int | None, at_most(10**6, "is more than any source has tasks")] = Field(
        None, ge=1, description="Only so many of the training, of the concept and of the held-out tasks."
    )

    @model_validator(mode="after")
    def _agrees(self) -> ArcOptions:
        if self.source and self.download:
            raise ValueError("source and download are both given; leave one of them out")
        return self
