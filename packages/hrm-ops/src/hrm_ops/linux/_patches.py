"""The list of what hrm-ops has changed in this process, and the switch that leaves all of it out."""

import os
from typing import NamedTuple


class Patch(NamedTuple):
    """A change outside of hrm-ops.

    Attributes:
        name: One word or two.
        change: What is different in this process now.
        reason: Why.

    Example:
        >>> from hrm_ops import Patch
        >>> Patch("malloc", "freed blocks stay in the process", "page faults").name
        'malloc'
    """

    name: str
    change: str
    reason: str


_applied: dict[str, Patch] = {}


def enabled() -> bool:
    """Return whether hrm-ops may change anything outside itself; `HRM_OPS_PATCH=0` forbids it."""
    return os.environ.get("HRM_OPS_PATCH") != "0"


def record(name: str, change: str, reason: str) -> None:
    """Add a change to the list."""
    _applied[name] = Patch(name, change, reason)


def patches() -> tuple[Patch, ...]:
    """Return what hrm-ops has changed in this process outside itself.

    Set `HRM_OPS_PATCH=0` before the first import to leave all of it out: everything still works, but slower.

    Example:
        >>> from hrm_ops import patches
        >>> all(patch.change and patch.reason for patch in patches())
        True
    """
    return tuple(_applied.values())
