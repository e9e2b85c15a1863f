"""SHA-256 sums of a directory's files, which reveal any change."""

import hashlib
from pathlib import Path

from hrm_model.untrusted import read_bytes, shortened

from hrm_train._errors import DamagedCheckpointError, MissingCheckpointError

_MOST_BYTES = 1 << 20  # of a manifest, which has a line for each of a few files
MANIFEST = "SHA256SUMS"


def write_manifest(directory: Path) -> None:
    """Write the SHA-256 of every file of a directory, in the format of `sha256sum`."""
    (directory / MANIFEST).write_text(_manifest(_sums(directory)))


def check_manifest(directory: Path) -> None:
    """Compare a directory with its manifest.

    The other files determine every byte of the manifest, so a change of the manifest is noticed too.

    Raises:
        DamagedCheckpointError: If a file is missing, was added, or differs by a bit.
        MissingCheckpointError: If there is no such directory, or no longer.
    """
    try:
        written = read_bytes(directory / MANIFEST, _MOST_BYTES)
        found = _sums(directory)
    except (OSError, ValueError) as error:
        if not directory.exists():  # training removes old checkpoints while others read them
            raise MissingCheckpointError(directory) from error
        name = getattr(error, "filename", None) or directory
        raise DamagedCheckpointError(directory, f"{name} cannot be read: {shortened(error)}") from error
    if written == _manifest(found).encode():
        return
    lines = (line.partition("  ") for line in written.decode(errors="replace").splitlines())
    expected = {name: digest for digest, _, name in lines}
    for name in sorted(expected.keys() - found.keys()):
        raise DamagedCheckpointError(directory, f"{shortened(name)} is missing, or {MANIFEST} is damaged")
    for name in sorted(found.keys() - expected.keys()):
        raise DamagedCheckpointError(
            directory, f"{shortened(name)} is not in {MANIFEST}, which is damaged, or was added later"
        )
    for name in sorted(found):
        if found[name] != expected[name]:
            raise DamagedCheckpointError(directory, f"{shortened(name)} has another SHA-256 than {MANIFEST} says")
    raise DamagedCheckpointError(directory, f"{MANIFEST} has changed")


def _manifest(sums: dict[str, str]) -> str:
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def _sums(directory: Path) -> dict[str, str]:
    return {path.name: _sha256(path) for path in directory.iterdir() if path.name != MANIFEST}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
