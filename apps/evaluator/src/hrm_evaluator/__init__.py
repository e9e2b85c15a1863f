"""A trained Hierarchical Reasoning Model from the command line and, through `load`, from Python."""

import lazy_loader

# The public names are in __init__.pyi; each is imported at its first use, so that the help of a command starts fast.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
