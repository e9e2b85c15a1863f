"""Finds tasks by name: this package's, and those that other installed packages declare."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm_data._errors import HRMDataError
from hrm_data._family import TaskFamily
from hrm_data._json import read_task

if TYPE_CHECKING:
    from hrm_data._format import Dataset
    from hrm_data._task import Task

GROUP = "hrm_data.tasks"


def task_names() -> tuple[str, ...]:
    """Names of all installed families, sorted; none of them is imported."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def get_family(name: str) -> TaskFamily:
    """The family that an entry point of the group `hrm_data.tasks` names.

    Raises:
        HRMDataError: There is none of this name or more than one, it cannot be imported, or it is no `TaskFamily`.
    """
    family = _load(_entry_point(name))
    if not isinstance(family, TaskFamily) or family.name != name:
        raise HRMDataError(
            f"task {name!r}: {_entry_point(name).value} is {family!r}; expected a TaskFamily with the name {name!r}"
        )
    return family


def family_version(name: str) -> str:
    """Name and version of the distribution that a family comes from; raises `HRMDataError` as `get_family` does."""
    return _provider(_entry_point(name))


def get_task(task: str | Path | Mapping[str, Any]) -> Task:
    """The task of a family's name, of the content of a `task.json`, or of a path to one or to its directory.

    Raises:
        HRMDataError: No such task, or the description lacks something.
    """
    if isinstance(task, Path):
        task = _from_path(task)
    description = {"task": task} if isinstance(task, str) else task
    name = description.get("task")
    if not isinstance(name, str):
        raise HRMDataError(f"field task is {name!r}; it must name one of the tasks {', '.join(task_names())}")
    return get_family(name).task(description)


def task_of(dataset: Dataset, name: str | None = None) -> Task | None:
    """The task of a dataset: what its `task.json` says, or the family `name` where there is none; None if neither says.

    Raises:
        HRMDataError: There is no such task, the two contradict each other, or the task has other tokens.
    """
    where = dataset.root / "task.json"
    if dataset.task is not None and name not in (None, dataset.task.get("task")):
        raise HRMDataError(f"{where} says that the puzzles are {dataset.task.get('task')!r}, not {name!r}")
    if dataset.task is None and name is None:
        return None
    try:
        task = get_task(dataset.task if dataset.task is not None else str(name))
    except HRMDataError as error:
        if dataset.task is None:
            raise
        raise HRMDataError(f"{where}: {error}") from error
    for field in ("seq_len", "vocab_size"):
        theirs, ours = getattr(dataset.metadata, field), getattr(task, field)
        if theirs != ours:
            raise HRMDataError(
                f"{dataset.root / dataset.split / 'dataset.json'}: field {field} is {theirs}, but {ours} in puzzles of "
                f"{task.name}; name another task or correct the file"
            )
    return task


def _entry_point(name: str) -> EntryPoint:
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        raise HRMDataError(
            f"task {name!r} is unknown; known tasks are {', '.join(task_names())} "
            "(a task of another package is known once that is installed)"
        )
    if len({point.value for point in found}) > 1:
        providers = " and ".join(f"{_provider(point)} ({point.value})" for point in found)
        raise HRMDataError(f"task {name!r} comes from {providers}; uninstall one of them")
    return found[0]


def _provider(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # another package's code: whatever it raises, its name is what helps
        problem = f"{type(error).__name__}: {error}"
        raise HRMDataError(
            f"task {point.name!r}, {point.value} of {_provider(point)}, cannot be imported ({problem}); "
            "correct or uninstall that package"
        ) from error


def _from_path(path: Path) -> Mapping[str, Any]:
    root = path.parent if path.name == "task.json" else path
    content = read_task(root)
    if content is None:
        raise HRMDataError(
            f"{root / 'task.json'} does not exist; name the task instead, such as {', '.join(task_names())}"
        )
    return content
