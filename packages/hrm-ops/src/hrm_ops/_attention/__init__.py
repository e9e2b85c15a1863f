"""Attention: its inputs, the choice of a computation, attention in blocks, and the layer."""
