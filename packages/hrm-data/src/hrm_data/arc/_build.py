"""Builds ARC dataset directories, online or offline."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress, no_progress
from hrm_data._split import Split
from hrm_data.arc._corpus import ArcCorpus, make_corpus, task_keys
from hrm_data.arc._grid import SEQ_LEN, VOCAB_SIZE
from hrm_data.arc._online import FOLDER, online_files
from hrm_data.arc._options import ArcOptions
from hrm_data.arc._read import ArcItem, read_arc
from hrm_data.arc._set import ArcSet
from hrm_data.dataset._atomic import check_new, new_directory, synced, write_array, write_array_header, write_json
from hrm_data.dataset._metadata import DatasetMetadata
from hrm_data.sources._download import checksum, download

_SET = "all"


class Published(NamedTuple):
    """A commit of a repository on GitHub that holds tasks, and how many."""

    repository: str
    commit: str
    tasks: int


PUBLISHED = {
    "arc1": [
        Published("fchollet/ARC-AGI", "399030444e0ab0cc8b4e199870fb20b863846f34", 800),
        Published("victorvikram/ConceptARC", "b22ef526b4656679816b7811e78f55cc24d736d7", 160),
    ],
    "arc2": [Published("arcprize/ARC-AGI-2", "f3283f727488ad98fe575ea6a5ac981e4a188e49", 1120)],
}
"""Where the tasks of a dataset are published."""


def build_arc(
    root: str | Path, options: ArcOptions | None = None, progress: Progress = no_progress, *, name: str = "arc1"
) -> Path:
    """Make the dataset directory `root` of ARC tasks with augmented copies, and return its path.

    A group is a task, a puzzle one of its copies, each with its own identifier `name_t<transform>_<colours>`. The split
    `train` has the demonstrations of all tasks and the tests of those that are not held out, `test` the tests of the
    evaluation tasks. Both kinds of directory have the same puzzles and give the same batches; offline, examples are
    drawn and written group by group, in bounded memory. An interrupted build leaves nothing.

    Args:
        root: Must not exist yet.
        options: Where the tasks come from, and how they are augmented.
        progress: Told how far the build is.
        name: `arc1` (with ConceptARC) or `arc2`: what is downloaded, and the task's name.

    Raises:
        HRMDataError: `root` exists, no tasks are given, a file is wrong, the download failed, or the disk is full.
    """
    options = options or ArcOptions()
    root = Path(root)
    check_new(root)
    items, sources = _tasks(name, options, progress)
    if not any(item.held_out for item in items):
        places = ", ".join(map(str, options.source))
        raise HRMDataError(f"{places}: no task is in a directory named evaluation, and the test split needs one")
    progress(0, 0, "choosing augmentations")
    corpus = make_corpus(items, options.augmentations, options.seed)
    with new_directory(root) as scratch:
        write_json(
            scratch / "task.json",
            {
                "task": name,
                "options": options.model_dump(mode="json"),
                "tasks": Counter(_kind(item) for item in items),
                "sources": sources,
                "content_sha256": content_digest(items),
            },
        )
        for split in get_args(Split):
            (scratch / split).mkdir()
            item = ArcSet(corpus, split)
            write_json(scratch / split / "dataset.json", _metadata(corpus, item).model_dump(mode="json"))
            if not options.online:
                _write_set(scratch / split, item, progress)
        if options.online:
            listed, arrays = online_files(corpus)
            (scratch / FOLDER).mkdir()
            write_json(scratch / FOLDER / "tasks.json", listed.model_dump(mode="json"))
            for field, array in arrays.items():
                write_array(scratch / FOLDER / f"{field}.npy", array)
        else:
            write_json(scratch / "identifiers.json", list(corpus.identifiers), indent=None)
    return root


def content_digest(items: Iterable[ArcItem]) -> str:
    """SHA-256 of names, places and grids of tasks: the same wherever they were read from."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.subset}/{item.name}\n".encode())
        for part in (item.demonstrations, item.tests):
            for pair in part:
                for grid in pair:
                    digest.update(bytes(grid.shape) + grid.tobytes())
            digest.update(b"\n")
    return digest.hexdigest()


def _tasks(name: str, options: ArcOptions, progress: Progress) -> tuple[list[ArcItem], dict[str, str | None]]:
    """The tasks, and where they came from with the checksum of each file."""
    if options.source:
        sources = {str(path): checksum(path) if path.is_file() else None for path in options.source}
        items = read_arc(options.source)
    elif options.download:
        items, sources = _downloaded(name, options.mirror, progress)
    else:
        raise HRMDataError(
            f"{name} cannot be generated: give its task files as source (directories, archives or Kaggle's JSON "
            "files), or ask for their download"
        )
    return _subset(items, options), sources


def _downloaded(name: str, mirror: str, progress: Progress) -> tuple[list[ArcItem], dict[str, str | None]]:
    items: list[ArcItem] = []
    sources: dict[str, str | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for repository, commit, expected in PUBLISHED[name]:
            url = f"{mirror.rstrip('/')}/{repository}/tar.gz/{commit}"
            path = download(
                url,
                Path(folder) / f"{repository.replace('/', '-')}.tar.gz",
                progress=lambda done, total, what=f"downloading {repository}": progress(done, total or 0, what),  # type: ignore[misc]
            )
            found = read_arc([path])
            if len(found) != expected:
                raise HRMDataError(
                    f"{url} holds {len(found)} tasks, expected {expected}; give the files as source instead"
                )
            items += found
            sources[url] = checksum(path)
    return sorted(items, key=lambda item: (item.subset, item.name)), sources


def _subset(items: Sequence[ArcItem], options: ArcOptions) -> list[ArcItem]:
    if options.subset is None:
        return list(items)
    order = task_keys(options.seed, [item.name for item in items])
    chosen: Counter[str] = Counter()
    kept = set()
    for number in np.argsort(order).tolist():
        kind = _kind(items[number])
        if chosen[kind] < options.subset:
            chosen[kind] += 1
            kept.add(number)
    return [items[number] for number in sorted(kept)]


def _kind(item: ArcItem) -> str:
    return item.subset if item.subset in ("training", "evaluation") else "concept"


def _metadata(corpus: ArcCorpus, item: ArcSet) -> DatasetMetadata:
    return DatasetMetadata(
        pad_id=0,
        ignore_label_id=0,
        blank_identifier_id=0,
        vocab_size=VOCAB_SIZE,
        seq_len=SEQ_LEN,
        num_puzzle_identifiers=len(corpus.identifiers),
        total_groups=item.groups,
        mean_puzzle_examples=item.examples / item.puzzles,
        sets=(_SET,),
    )


def _write_set(folder: Path, item: ArcSet, progress: Progress) -> None:
    for field in ("puzzle_identifiers", "puzzle_indices", "group_indices"):
        write_array(folder / f"{_SET}__{field}.npy", getattr(item, field).astype(np.int32))
    tokens, shape = np.dtype(np.uint8), (item.examples, SEQ_LEN)
    with (
        synced(folder / f"{_SET}__inputs.npy") as inputs,
        synced(folder / f"{_SET}__labels.npy") as labels,
    ):
        for file in (inputs, labels):
            write_array_header(file, tokens, shape)
        for group in range(item.groups):
            progress(group, item.groups, f"writing {folder.name}")
            for file, rows in zip((inputs, labels), item.group_rows(group), strict=True):
                file.write(rows.data)
    progress(item.groups, item.groups, f"writing {folder.name}")
