"""The Hierarchical Reasoning Model (arXiv 2506.21734) for MLX."""

import os

import lazy_loader

# float32 is float32 on CUDA too, as in PyTorch, so that the reference's numbers come out. MLX reads this at its first
# product; by default it would cut the factors down to 10 bits.
os.environ.setdefault("MLX_ENABLE_TF32", "0")

# What is public stands in __init__.pyi; each name is imported when it is first used, so that a command's help is quick.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
