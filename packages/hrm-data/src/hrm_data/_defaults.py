"""Names and numbers that the options of datasets show. Imports nothing, so that no help waits for NumPy."""

from typing import Literal

Kind = Literal["any", "minimal", "singles", "search", "hard"]

HARD_RATING = 22.0
"""Mean number of backtracks that the HRM paper states for Sudoku-Extreme (section 3.1)."""
PROVE_AT_MOST = 20_000
"""Rows up to which it is proved by default that they have one solution each."""
TEST_SHARE = 0.125
"""Share of the orbits that is kept for test."""
MAZE_SIZES = range(4, 65)
"""Cells in a side of a maze."""
HARD_SIZE = 30
"""Cells in a side of the paper's mazes, Maze-Hard."""
