"""The command `trainer`, and in Python the import of the reference's checkpoints."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hrm_trainer._convert import import_reference

__all__ = ["import_reference"]


def __getattr__(name: str) -> object:
    """Import what is public when it is first used, so that a command's help is quick."""
    if name == "import_reference":
        from hrm_trainer._convert import import_reference

        return import_reference
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
