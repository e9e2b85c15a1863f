"""The blocks of a reasoning module: what mixes positions, what mixes symbols, and a gated unit."""
