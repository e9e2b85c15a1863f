"""Checksums of every file in a dataset directory that decides its batches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hrm_data._errors import HRMDataError
from hrm_data.dataset._read import computed_sets

_STORED = ("identifiers.json", "task.json", "*/dataset.json", "*/*__*.npy")


def file_checksums(root: str | Path, *, stored_only: bool = False) -> dict[str, str]:
    """Return the SHA-256 of every file that decides the batches of a dataset directory, by its name below `root`.

    Args:
        root: A dataset directory.
        stored_only: Leave out the files from which examples are computed, as in runs that were started before these
            counted.

    Raises:
        HRMDataError: A file cannot be read.
    """
    root = Path(root)
    paths = {path for pattern in _STORED for path in root.glob(pattern)}
    computed = None if stored_only else computed_sets(root)
    if computed is not None:
        source = Path(computed.source)
        paths |= {path for path in (source, *source.rglob("*")) if path.is_file() and not path.name.startswith(".")}
    checksums = {}
    try:
        for path in sorted(paths):
            with path.open("rb") as file:
                checksums[path.relative_to(root).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise HRMDataError(f"{error.filename or root} cannot be read ({error.strerror}); restore it") from error
    return checksums


def fingerprint(dataset: str | Path | Mapping[str, str]) -> str:
    """Return one SHA-256 over names and contents of the files that decide the batches of a dataset directory.

    Directories with equal fingerprints give the same batches. The path of the directory and other files in it do not
    count.

    Args:
        dataset: A dataset directory, or its `file_checksums`.

    Raises:
        HRMDataError: A file cannot be read.
    """
    checksums = dataset if isinstance(dataset, Mapping) else file_checksums(dataset)
    lines = (f"{checksum}  {name}\n" for name, checksum in checksums.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
