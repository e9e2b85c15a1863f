"""Checkpoints of the PyTorch reference: find, download, read and write them without running their code."""
