"""What an ARC dataset is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _paths(value: Any) -> Any:
    """Split paths at commas; empty text is no path, rather than the working directory."""
    if isinstance(value, Path):
        return (value,)
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part for part in parts if part != "") if isinstance(parts, list | tuple) else parts


class ArcOptions(BaseModel):
    """What an ARC dataset is made from: task files (`source`), or a download of the published ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = Field(
        (), description="Directories, archives or Kaggle's JSON files with the tasks, with commas between them."
    )
    download: bool = Field(False, description="Fetch the published tasks from GitHub.")
    mirror: str = Field("https://codeload.github.com", description="What to download from, if not from GitHub itself.")
    augmentations: int = Field(1000, ge=0, le=100_000, description="Augmented copies of each task.")
    online: bool = Field(True, description="Store the tasks and augment while loading; else write every copy (9 GB).")
    seed: int = Field(0, ge=0, description="Seed of the augmentations.")
    subset: int | None = Field(
        None, ge=1, description="Only so many of the training, of the evaluation and of the concept tasks."
    )

    @model_validator(mode="after")
    def _agrees(self) -> ArcOptions:
        if self.source and self.download:
            raise ValueError("source and download are both given; leave one of them out")
        return self
