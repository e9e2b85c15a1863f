"""Weights: the file they are stored in, 8- and 4-bit weights, and other sizes of a board."""
