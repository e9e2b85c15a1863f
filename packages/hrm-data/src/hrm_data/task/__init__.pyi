from ._json import read_task

__all__ = ["read_task"]
