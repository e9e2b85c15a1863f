"""Datasets of reasoning puzzles: tasks, generators, builders, augmentation and a deterministic loader."""

import lazy_loader

# `__init__.pyi` lists the public names: the general ones, the rooms, and those of a task that say which task it is.
# Each is imported on first use, so that the help of a command is fast.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
