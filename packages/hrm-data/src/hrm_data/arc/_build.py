"""Builds ARC dataset directories, online or offline."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress, no_progress
from hrm_data._split import Split
from hrm_data.arc._corpus import ArcCorpus, make_corpus
from hrm_data.arc._grid import SEQ_LEN, VOCAB_SIZE
from hrm_data.arc._online import FOLDER, online_files
from hrm_data.arc._options import ArcOptions
from hrm_data.arc._set import ArcSet
from hrm_data.arc.reading._item import ArcItem, Reading, Unused, task_keys
from hrm_data.arc.reading._read import read_sources
from hrm_data.arc.reading._select import held_out_paths, select
from hrm_data.arc.reading._splits import HELD_OUT, SPLITS
from hrm_data.arc.reading._summary import by_reason, counts, subset_of, summary
from hrm_data.dataset._atomic import check_new, new_directory, synced, write_array, write_array_header, write_json
from hrm_data.dataset._metadata import DatasetMetadata
from hrm_data.sources._download import checksum, download

_SET = "all"
_SAY = logging.getLogger(__name__)


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
    `train` has the demonstrations of all tasks (with `strict`, of those that are not held out) and the tests of those
    that are not held out, `test` the tests of the others, with empty labels where answers are unknown. What is used and
    what is not is logged before anything is written, and stands in `task.json`. Both kinds of directory have the same
    puzzles and give the same batches; offline, examples are drawn and written group by group, in bounded memory. An
    interrupted build leaves nothing.

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
    reading, sources = _read(name, options, progress)
    reading = _subset(reading, options)
    items = reading.items
    for line in summary(reading, _rule(options), strict=options.strict):
        _SAY.info(line)
    _check_split(items, options)
    progress(0, 0, "choosing augmentations")
    corpus = make_corpus(items, options.augmentations, options.seed, strict=options.strict)
    with new_directory(root) as scratch:
        write_json(
            scratch / "task.json",
            {
                "task": name,
                "options": options.model_dump(mode="json"),
                **counts(items),
                "not_used": by_reason(reading.unused),
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


def _read(name: str, options: ArcOptions, progress: Progress) -> tuple[Reading, dict[str, str | None]]:
    """The tasks, and where they came from with the checksum of each file."""
    paths = held_out_paths(options.held_out)
    if options.source:
        places = (*options.source, *paths)
        sources = {str(path): checksum(path) if path.is_file() else None for path in places}
        found = read_sources(places, options.too_large)
    elif options.download:
        found, sources = _downloaded(name, options, progress)
    else:
        raise HRMDataError(
            f"{name} cannot be generated: give its task files as source (directories, archives or Kaggle's JSON "
            "files), or ask for their download"
        )
    return select(found, options.held_out, options.seed), sources


def _downloaded(name: str, options: ArcOptions, progress: Progress) -> tuple[Reading, dict[str, str | None]]:
    files: list[Path] = []
    sources: dict[str, str | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for repository, commit, expected in PUBLISHED[name]:
            url = f"{options.mirror.rstrip('/')}/{repository}/tar.gz/{commit}"
            path = download(
                url,
                Path(folder) / f"{repository.replace('/', '-')}.tar.gz",
                progress=lambda done, total, what=f"downloading {repository}": progress(done, total or 0, what),  # type: ignore[misc]
            )
            count = len(read_sources([path]).items)
            if count != expected:
                raise HRMDataError(f"{url} holds {count} tasks, expected {expected}; give the files as source instead")
            files.append(path)
            sources[url] = checksum(path)
        paths = held_out_paths(options.held_out)
        sources |= {str(path): checksum(path) if path.is_file() else None for path in paths}
        return read_sources([*files, *paths], options.too_large), sources


def _subset(reading: Reading, options: ArcOptions) -> Reading:
    if options.subset is None:
        return reading
    items = reading.items
    chosen: Counter[str] = Counter()
    kept = set()
    for number in np.argsort(task_keys(options.seed, [item.name for item in items])).tolist():
        kind = "held out" if items[number].held_out else subset_of(items[number])
        if chosen[kind] < options.subset:
            chosen[kind] += 1
            kept.add(number)
    left = [Unused(item.where, f"more than subset {options.subset}") for n, item in enumerate(items) if n not in kept]
    return Reading([items[number] for number in sorted(kept)], reading.unused + left)


def _rule(options: ArcOptions) -> str:
    """How the held-out tasks were chosen."""
    words = [word for word, split in SPLITS.items() if split in HELD_OUT]
    by_place = f"tasks in folders, files or keys named {', '.join(words)}"
    return f"as held_out says, {', '.join(options.held_out)}" if options.held_out else by_place


def _check_split(items: Sequence[ArcItem], options: ArcOptions) -> None:
    """Raise `HRMDataError` unless there are tasks to train on and tasks to test on."""
    if not any(item.held_out for item in items):
        places = ", ".join(map(str, options.source))
        raise HRMDataError(
            f"{places}: nothing is held out, and the test split needs tasks ({_rule(options)}); say which with "
            "held_out: their names, a share such as 0.1, or the path of other tasks"
        )
    if options.strict and all(item.held_out for item in items):
        raise HRMDataError("held_out and strict leave no task to train on; leave out strict, or hold fewer tasks out")


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
