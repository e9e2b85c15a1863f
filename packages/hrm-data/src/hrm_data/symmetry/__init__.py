"""Symmetries: changes of a puzzle that can be undone on its answer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
