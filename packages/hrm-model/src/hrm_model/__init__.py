"""The Hierarchical Reasoning Model (arXiv 2506.21734) for MLX."""

import lazy_loader

# What is public stands in __init__.pyi; each name is imported when it is first used, so that a command's help is quick.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
