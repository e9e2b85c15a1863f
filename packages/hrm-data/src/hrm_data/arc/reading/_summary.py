"""Says in a few lines which ARC tasks are used for what, and what is not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hrm_data.arc.reading._item import ArcItem, Reading, Unused
from hrm_data.arc.reading._splits import SPLITS

_NAMED = 3  # names in a line


def subset_of(item: ArcItem) -> str:
    """`training`, `evaluation`, `test` or `concept`."""
    return item.subset if item.subset in SPLITS.values() else "concept"


def counts(items: Sequence[ArcItem]) -> dict[str, Any]:
    """Numbers of tasks, and of tests that are held out, for `task.json`."""
    held_out = [item for item in items if item.held_out]
    return {
        "tasks": dict(Counter(map(subset_of, items))),
        "held_out": {
            "tasks": len(held_out),
            "tests": sum(len(item.tests) for item in held_out),
            "without_answer": sum(item.unanswered for item in held_out),
        },
    }


def by_reason(unused: Sequence[Unused]) -> dict[str, list[str]]:
    """What is not used, by the reason."""
    found: dict[str, list[str]] = {}
    for what, reason in unused:
        found.setdefault(reason, []).append(what)
    return found


def summary(reading: Reading, rule: str, *, strict: bool) -> Iterator[str]:
    """Yield a line for each kind of tasks, one on those that are held out, and one for each reason not to use others.

    Args:
        reading: The tasks and what is not used.
        rule: How the held-out tasks were chosen.
        strict: Whether their demonstrations are not trained on.
    """
    for kind in dict.fromkeys(map(subset_of, reading.items)):
        items = [item for item in reading.items if subset_of(item) == kind]
        of = counts(items)["held_out"]
        which = "all" if of["tasks"] == len(items) else f"{of['tasks']:,} of them"
        held_out = f", {which} held out with {_number(of['tests'], 'test')}" if of["tasks"] else ""
        unanswered = f", {of['without_answer']:,} without answer" if of["without_answer"] else ""
        yield f"{kind}: {_number(len(items), 'task')}{held_out}{unanswered}"
    yield f"held out: {rule}; their demonstrations are {'not ' if strict else ''}trained on"
    for reason, names in by_reason(reading.unused).items():
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        yield f"not used, {reason}: {', '.join(names[:_NAMED])}{more}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
