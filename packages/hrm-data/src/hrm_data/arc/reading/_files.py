"""Finds the files of a source of ARC tasks: a directory, an archive or a JSON file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from hrm_data._errors import HRMDataError
from hrm_data.arc.reading._item import Unused
from hrm_data.arc.reading._splits import is_split, words
from hrm_data.sources._archive import MAX_MEMBER, read_archive
from hrm_data.untrusted import read_bytes

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_PAIRED = {"challenges", "challenge", "solutions", "solution"}


class SourceFile(NamedTuple):
    """A JSON file of a source."""

    where: str
    """For messages."""
    path: Path
    """The file on the disk: itself, or the archive that holds it."""
    folder: str
    """Where it stands; only files of one folder have the same."""
    stem: str
    folders: tuple[str, ...]
    """Folders that may name a split, from the outermost."""
    parents: tuple[str, ...]
    """All folders that are known, from the outermost."""
    content: bytes


def files_of(source: Path) -> Iterator[SourceFile | Unused]:
    """Yield the JSON files of a source, sorted by name, and the other files with the reason why they are not used.

    A JSON file of challenges brings along the solutions beside it.

    Raises:
        HRMDataError: The source does not exist, cannot be read, or is a damaged archive.
    """
    if source.is_dir():
        own = source.resolve()
        outside = own.parts[-2:]
        for path in sorted(source.rglob("*")):
            if path.is_file():
                name = path.relative_to(source).as_posix()
                reason = _why_not(name)
                yield Unused(str(path), reason) if reason else _file(name, str(path), path, outside, own.name)
    elif _is_json(source.name):
        for path in (source, *solutions_beside(source)):
            folder = path.resolve().parent
            yield _file(path.name, str(path), path, folder.parts[-2:], folder.name)
    else:
        yield from _members(source)


def source_files(source: Path) -> list[Path]:
    """The files that decide which tasks a source has."""
    if source.is_dir():
        return [
            path
            for path in sorted(source.rglob("*"))
            if path.is_file() and not _why_not(path.relative_to(source).as_posix())
        ]
    return [source, *(solutions_beside(source) if _is_json(source.name) else ())]


def solutions_beside(challenges: Path) -> list[Path]:
    """The files beside one with challenges that have its name, but for the word solutions."""
    if not _PAIRED & set(words(challenges.stem)) or not challenges.parent.is_dir():
        return []
    return [
        path
        for path in sorted(challenges.parent.iterdir())
        if path != challenges and _is_json(path.name) and paired_name(path.stem) == paired_name(challenges.stem)
    ]


def paired_name(stem: str) -> tuple[str, ...]:
    """What the names of challenges and of their solutions have in common."""
    return tuple(word for word in words(stem) if word not in _PAIRED)


def is_solutions(stem: str) -> bool:
    """Whether a file's name says that it holds solutions."""
    return bool({"solutions", "solution"} & set(words(stem)))


def _members(source: Path) -> Iterator[SourceFile | Unused]:
    unused: list[Unused] = []

    def wanted(name: str) -> bool:
        reason = _why_not(name)
        if reason:
            unused.append(Unused(f"{source}: {name}", reason))
        return not reason

    own = source.name.split(".")[0]
    for name, content in sorted(read_archive(source, wanted)):
        yield _file(name, f"{source}: {name}", source, (), own, content)
    yield from unused


def _file(
    name: str, where: str, path: Path, outside: tuple[str, ...], own: str, content: bytes | None = None
) -> SourceFile:
    inner = PurePosixPath(name)
    folders = inner.parts[:-1]
    named = (own, *folders) if is_split(own) else folders
    return SourceFile(
        where,
        path.resolve(),
        where.removesuffix(inner.name),
        inner.stem,
        named,
        outside + folders,
        _read(path) if content is None else content,
    )


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")


def _why_not(name: str) -> str:
    """Why a file of a directory or archive is not read, by its name; empty if it is."""
    path = PurePosixPath(name)
    if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
        return "hidden"
    if path.suffix.lower() in _ARCHIVES:
        return "an archive within a source; name it as a source itself"
    if not _is_json(name):
        return "no JSON file"
    if path.stem.endswith("Minimal"):
        return "a minimal task of ConceptARC, not among its 160"
    return ""


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_MEMBER)
    except ValueError as error:
        raise HRMDataError(f"{path} cannot be read: {error}; divide it into several files") from None
    except FileNotFoundError:
        raise HRMDataError(f"{path} does not exist; give a directory, an archive or a JSON file") from None
    except OSError as error:
        raise HRMDataError(f"{path} cannot be read: {error.strerror}") from None
