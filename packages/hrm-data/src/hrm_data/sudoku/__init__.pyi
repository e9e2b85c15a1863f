from ._augment import SudokuAugment
from ._build import build_sudoku
from ._options import SudokuOptions
from ._orbit import orbit_invariant, split_of
from ._task import SudokuTask
from .generator._generate import Puzzles, generate_sudoku
from .search._solve import Solved, solve

__all__ = [
    "Puzzles",
    "Solved",
    "SudokuAugment",
    "SudokuOptions",
    "SudokuTask",
    "build_sudoku",
    "generate_sudoku",
    "orbit_invariant",
    "solve",
    "split_of",
]
