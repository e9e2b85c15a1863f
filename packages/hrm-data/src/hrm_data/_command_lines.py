"""What the commands that read a dataset directory are asked. Imports no NumPy, so that their help is quick."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from hrm_data._arguments import CommandLine


class InfoSettings(CommandLine):
    """Say what a dataset directory holds."""

    directory: CliPositionalArg[Path] = Field(description="A dataset directory.")


class ShowSettings(InfoSettings):
    """Draw one example of a dataset: what is asked beside the answer."""

    index: int = Field(0, ge=0, description="Which example of the split, counted from 0 over all its sets.")
    split: str = Field("train", description="Split of the dataset.")
    task: str | None = Field(None, description="What the puzzles are, where no task.json says it.")


class VerifySettings(InfoSettings):
    """Check everything in a dataset directory: files, shapes, tokens, indices, names, and every solution."""

    task: str | None = Field(None, description="What the puzzles are, where no task.json says it.")
