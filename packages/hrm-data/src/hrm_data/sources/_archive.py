"""Reads the members of an untrusted archive, in memory and within bounds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hrm_data._errors import HRMDataError
from hrm_data.untrusted import quoted, shortened

MAX_TOTAL = 1 << 28
"""Bytes that an archive may unpack to, headers included."""
MAX_MEMBER = 1 << 26
"""Bytes that one member may unpack to."""
MAX_MEMBERS = 100_000
MAX_DIRECTORY = 1 << 24
"""Bytes of the list of members at the end of a zip: a member takes about a hundred, and ten times as many in memory."""

_DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError)


def read_archive(
    path: str | Path,
    wanted: Callable[[str], bool] = lambda name: True,
    *,
    max_total: int = MAX_TOTAL,
    max_member: int = MAX_MEMBER,
) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the regular files of a `.zip`, `.tar`, `.tar.gz`, `.tar.bz2` or `.tar.xz`.

    Nothing is written to disk. The content of the file tells its kind, not the name.

    Args:
        path: The archive.
        wanted: Selects by name the files that are read; bounds and refusals apply to all of them.
        max_total: Bytes that the archive may unpack to.
        max_member: Bytes that one member may unpack to.

    Raises:
        HRMDataError: It is no such archive, is damaged or truncated, holds a name that leads out of it (absolute, or
            with `..`), a link, a device, a sparse file or a name twice, or exceeds the bounds.
    """
    path = Path(path)
    try:
        if _starts_with(path, b"PK"):
            yield from _members_of_zip(path, wanted, max_total, max_member)
        else:
            yield from _members_of_tar(path, wanted, max_total, max_member)
    except FileNotFoundError:
        raise HRMDataError(f"{path} does not exist; give the path of an archive") from None
    except IsADirectoryError:
        raise HRMDataError(f"{path} is a directory; give the path of an archive") from None
    except (NotImplementedError, RuntimeError) as error:
        raise HRMDataError(f"{path} cannot be unpacked: {shortened(error)}; pack it again without a password") from None
    except _DAMAGED as error:
        raise HRMDataError(
            f"{path} is no archive, damaged or cut short ({shortened(error) or type(error).__name__}); "
            "copy or download it again"
        ) from None


def _members_of_tar(
    path: Path, wanted: Callable[[str], bool], max_total: int, max_member: int
) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    with _open(path) as file:
        stream: Any = _Bounded(file, path, max_total)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = _checked_name(path, member.name, seen)
                if member.isdir():
                    continue
                if not member.isreg():
                    raise HRMDataError(f"{path}: {quoted(name)} is a link or a device; only files are read")
                if member.issparse():  # some bytes stand for any number of zeros
                    raise HRMDataError(f"{path}: {quoted(name)} is a sparse file; pack it again without --sparse")
                _check_size(path, name, member.size, max_member)
                if wanted(name):
                    content = archive.extractfile(member)
                    assert content is not None
                    yield name, content.read()
        while stream.read(1 << 16):  # to the end, where the checksum stands
            pass
    if any(stream.end):
        raise EOFError("it does not end as an archive does")


def _members_of_zip(
    path: Path, wanted: Callable[[str], bool], max_total: int, max_member: int
) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    total = 0
    declared, directory = _declared(path)
    if directory > MAX_DIRECTORY:
        raise HRMDataError(
            f"{path} lists its members in {directory:,} bytes, more than {MAX_DIRECTORY:,}; unpack it yourself if you "
            "trust it"
        )
    with zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) % (1 << 16) != declared:
            raise zipfile.BadZipFile("its directory does not list as many members as it declares")
        for member in archive.infolist():
            name = _checked_name(path, member.filename, seen)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise HRMDataError(f"{path}: {quoted(name)} is a link or a device; only files are read")
            _check_size(path, name, member.file_size, max_member)
            total += member.file_size  # zipfile reads no more than this of a member
            if total > max_total:
                raise _too_large(path, max_total)
            if wanted(name):
                yield name, archive.read(member)


def _declared(path: Path) -> tuple[int, int]:
    """Return the number of members, modulo 2^16, and the bytes of their list, as the records that end a zip say.

    `zipfile` ignores the number, and reads the whole list before it can be asked.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 22))
        tail, _, record = file.read().rpartition(b"PK\x05\x06")
    large = tail.rpartition(b"PK\x06\x06")[2] if b"PK\x06\x07" in tail[-20:] else b""  # of a zip with 64-bit numbers
    size = int.from_bytes(large[36:44] if large else record[8:12], "little")
    return int.from_bytes(record[6:8], "little"), size


def _checked_name(path: Path, name: str, seen: set[str]) -> str:
    """The name in its plain form, `a/b` for `./a//b/`."""
    plain = PurePosixPath(name.replace("\\", "/"))
    if plain.is_absolute() or ".." in plain.parts or ":" in "".join(plain.parts[:1]) or "\x00" in name:
        raise HRMDataError(f"{path}: the name {quoted(name)} leads out of the archive; do not use this archive")
    if str(plain) in seen:
        raise HRMDataError(f"{path} holds {quoted(str(plain))} twice; do not use this archive")
    seen.add(str(plain))
    if len(seen) > MAX_MEMBERS:
        raise HRMDataError(f"{path} holds more than {MAX_MEMBERS} members; unpack it yourself if you trust it")
    return str(plain)


def _check_size(path: Path, name: str, size: int, limit: int) -> None:
    if size > limit:
        raise HRMDataError(
            f"{path}: {quoted(name)} unpacks to {size} bytes, more than {limit}; unpack it yourself if you trust it"
        )


def _too_large(path: Path, limit: int) -> HRMDataError:
    return HRMDataError(f"{path} unpacks to more than {limit} bytes; unpack it yourself if you trust it")


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _open(path: Path) -> IO[bytes]:
    opener = next((opener for magic, opener in _DECOMPRESSORS.items() if _starts_with(path, magic)), None)
    return opener(path) if opener else path.open("rb")


class _Bounded:
    """A stream that ends with an error once more than `limit` bytes came out of it."""

    end = b""
    """The last bytes that were read, of which a tar has nothing but zeros."""

    def __init__(self, file: IO[bytes], path: Path, limit: int) -> None:
        self._file, self._path, self._limit, self._left = file, path, limit, limit

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._path, self._limit)
        self.end = (self.end + data)[-tarfile.BLOCKSIZE :]
        return data
