"""ARC: the task, grids and their tokens, readers of task files and the builder of datasets."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
