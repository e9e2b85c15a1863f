"""Kernels of our own for MLX's CPU backend: parts of a block forward and backward, compiled on first use."""
