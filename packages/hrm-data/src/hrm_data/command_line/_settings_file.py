"""Reads settings from JSON and YAML files, and merges the sources of settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrm_data.command_line._exit import CommandError
from hrm_data.untrusted import parse_json, parse_yaml, quoted, read_bytes, shortened

MOST_BYTES = 1 << 20
"""The most bytes of a file with settings, which has a few thousand; a run's file names the files of its dataset."""


def read_settings(path: str | Path, flag: str = "--config") -> dict[str, Any]:
    """Return the mapping that a JSON or YAML file holds; YAML needs PyYAML.

    Raises:
        CommandError: The file cannot be read or holds something else; the message names `flag` and file.
    """
    path = Path(path)
    where = f"{flag} {path}"
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise CommandError(f"{where}: the name should end in .json, .yaml or .yml")
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
        content = parse_json(text) if path.suffix == ".json" else parse_yaml(text)
    except OSError as error:
        raise CommandError(f"{where}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        problem = shortened(" ".join(str(error).split()))
        raise CommandError(f"{where}: is not valid {path.suffix[1:].upper()} ({problem})") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise CommandError(f"{where}: should hold a mapping from names to settings, but holds {quoted(content)}")
    return content


def leaves(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the values of nested mappings by their full names, such as `train.lr`."""
    pairs = []
    for name, value in content.items():
        pairs += [(f"{name}.{k}", v) for k, v in leaves(value)] if isinstance(value, Mapping) else [(name, value)]
    return pairs


def merge(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; an earlier source wins over a later one."""
    merged: dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            if name not in merged:
                merged[name] = merge(value) if isinstance(value, Mapping) else value
            elif isinstance(merged[name], Mapping) and isinstance(value, Mapping):
                merged[name] = merge(merged[name], value)
    return merged
