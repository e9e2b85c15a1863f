import hashlib
from pathlib import Path

from hrm_data._errors import HRMDataError

_READ = ("identifiers.json", "task.json", "*/dataset.json", "*/*__*.npy")


def fingerprint(root: str | Path) -> str:
    """Return a SHA-256 over names and contents of the files of a dataset directory, which are read in pieces.

    Directories with one fingerprint give the same batches. Where they are and other files in them do not count.

    Raises:
        HRMDataError: A file cannot be read.
    """
    root = Path(root)
    total = hashlib.sha256()
    try:
        for path in sorted(path for pattern in _READ for path in root.glob(pattern)):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{digest}  {path.relative_to(root).as_posix()}\n".encode())
    except OSError as error:
        raise HRMDataError(f"{error.filename or root} cannot be read ({error.strerror}); restore it") from error
    return total.hexdigest()
