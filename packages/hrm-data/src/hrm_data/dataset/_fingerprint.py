"""One checksum of every file in a dataset directory that decides its batches."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hrm_data._errors import HRMDataError
from hrm_data.dataset._read import computed_sets

_STORED = ("identifiers.json", "task.json", "*/dataset.json", "*/*__*.npy")


def fingerprint(root: str | Path, *, stored_only: bool = False) -> str:
    """Return a SHA-256 over names and contents of the files that decide the batches of a dataset directory.

    Directories with equal fingerprints give the same batches. The path of the directory and other files in it do not
    count.

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
        source = computed.source
        paths |= {path for path in (source, *source.rglob("*")) if path.is_file() and not path.name.startswith(".")}
    total = hashlib.sha256()
    try:
        for path in sorted(paths):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{digest}  {path.relative_to(root).as_posix()}\n".encode())
    except OSError as error:
        raise HRMDataError(f"{error.filename or root} cannot be read ({error.strerror}); restore it") from error
    return total.hexdigest()
