"""Scores, shows and uses a trained Hierarchical Reasoning Model: a command line, and `load` for Python."""

from typing import TYPE_CHECKING, Any

from hrm_evaluator._errors import UserError

if TYPE_CHECKING:
    from hrm_evaluator._solver import Solution, Solver, load

__all__ = ["Solution", "Solver", "UserError", "load"]


def __getattr__(name: str) -> Any:
    """Import MLX only when it is needed, so that ``evaluator --help`` answers at once."""
    if name in ("Solution", "Solver", "load"):
        from hrm_evaluator import _solver

        return getattr(_solver, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
