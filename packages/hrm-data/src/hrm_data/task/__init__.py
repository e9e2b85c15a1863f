"""Tasks: what a kind of puzzle is to the loader and to applications, and how tasks are found by name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
