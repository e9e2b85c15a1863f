"""Finds tasks by name: this package's, and those that other installed packages declare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm_data._errors import HRMDataError
from hrm_data.task._family import TaskFamily
from hrm_data.task._json import read_task
from hrm_data.untrusted import quoted

if TYPE_CHECKING:
    from hrm_data.task._task import Task

GROUP = "hrm_data.tasks"


def task_names() -> tuple[str, ...]:
    """Return the names of all installed families, sorted, without importing any."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def get_family(name: str) -> TaskFamily:
    """Load the family that an entry point of the group `hrm_data.tasks` names.

    The task of a family from another package is made once, so that a half-written one is noticed here.

    Raises:
        HRMDataError: No family or more than one has this name, it cannot be imported, it is no `TaskFamily`, or its
            task lacks a required member.
    """
    point = _entry_point(name)
    family = _load(point)
    if not isinstance(family, TaskFamily) or family.name != name:
        raise HRMDataError(f"task {name!r}: {point.value} is {family!r}; expected a TaskFamily with the name {name!r}")
    if point.module.partition(".")[0] != "hrm_data":  # this package's tests check its own tasks: its help stays fast
        _make(family, {"task": name})
    return family


def describe_task(name: str) -> dict[str, Any]:
    """Return what a name says, as `task.json` would: a family, such as `sudoku`, with a size or without (`sudoku-2x3`).

    Raises:
        HRMDataError: There is no such family, or it has no such size.
    """
    known = [family for family in task_names() if name.startswith(f"{family}-")]
    if name in task_names() or not known:
        return {"task": name}
    family = get_family(max(known, key=len))
    if family.sized is None:
        raise HRMDataError(f"task {quoted(name)} names a size, but the task {family.name} has one size only")
    try:
        return {"task": family.name, **family.sized(name.removeprefix(f"{family.name}-"))}
    except HRMDataError as error:
        raise HRMDataError(f"task {quoted(name)}: {error}") from error


def family_version(name: str) -> str:
    """Return name and version of the distribution that a family comes from; raises as `get_family` does."""
    return _provider(_entry_point(name))


def get_task(task: str | Path | Mapping[str, Any]) -> Task:
    """Make the task of a name, of the content of a `task.json`, or of a path to one or to its directory.

    A `str` is a path if it contains a path separator, else a name, see `describe_task`.

    Raises:
        HRMDataError: There is no such task, the description lacks something, or the task lacks a required member.
    """
    if isinstance(task, Path) or (isinstance(task, str) and os.sep in task):
        task = _from_path(Path(task))
    description = describe_task(task) if isinstance(task, str) else task
    name = description.get("task")
    if not isinstance(name, str):
        raise HRMDataError(f"field task is {quoted(name)}; it must name one of the tasks {', '.join(task_names())}")
    return _make(get_family(name), description)


def _make(family: TaskFamily, description: Mapping[str, Any]) -> Task:
    """Make a task, and check that it is whole."""
    from hrm_data.task._task import REQUIRED, Task  # here, so that help does not wait for NumPy

    point = _entry_point(family.name)
    where = f"task {family.name!r}, {point.value} of {_provider(point)}"
    try:
        task = family.task(description)
    except HRMDataError:
        raise
    except Exception as error:  # another package's code; abc names class and member of an abstract task
        raise HRMDataError(
            f"{where}, cannot be made ({type(error).__name__}: {error}); correct that package"
        ) from error
    if not isinstance(task, Task):
        raise HRMDataError(f"{where}, makes {type(task).__name__}, which is no subclass of Task; correct that package")
    missing = [name for name in REQUIRED if not hasattr(task, name)]
    if missing:
        raise HRMDataError(f"{where}: {type(task).__name__} has no {' and no '.join(missing)}; correct that package")
    return task


def _entry_point(name: str) -> EntryPoint:
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        raise HRMDataError(
            f"task {quoted(name)} is unknown; known tasks are {', '.join(task_names())} "
            "(install the package of another task to make it known)"
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
    except Exception as error:  # another package's code may raise anything
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
