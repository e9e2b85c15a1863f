from . import arc, command_line, dataset, maze, sources, sudoku, symmetry, task
from ._errors import HRMDataError, HRMDataIOError
from ._progress import Progress, progress_bar
from ._puzzle_set import PuzzleSet
from ._split import Split
from .arc._build import build_arc
from .arc._grid import ArcAugmentation
from .arc._options import ArcOptions
from .arc._task import ArcTask
from .arc.reading._item import ArcItem
from .arc.reading._select import read_arc
from .dataset._fingerprint import file_checksums, fingerprint
from .dataset._format import Dataset
from .dataset._kept import kept_cells, whole_solution
from .dataset._loader import IGNORE, NumpyBatch, TestLoader, TrainLoader, evenly_spread, make_batch
from .dataset._metadata import DatasetMetadata
from .dataset._prefetch import PrefetchLoader
from .dataset._read import open_dataset, task_of
from .dataset._write import one_example_each, write_dataset
from .maze._build import build_maze
from .maze._generate import Mazes, generate_mazes
from .maze._options import MazeOptions
from .maze._task import MazeTask
from .sudoku._augment import SudokuAugment
from .sudoku._build import build_sudoku
from .sudoku._options import SudokuOptions
from .sudoku._task import SudokuTask
from .sudoku.generator._generate import generate_sudoku
from .symmetry._symmetry import Original, Symmetry
from .task._board_text import BoardText
from .task._family import ComputedSets, NoOptions, TaskDefaults, TaskFamily
from .task._geometry import Geometry
from .task._picture import Picture, draw_grid
from .task._registry import describe_task, family_version, get_family, get_task, task_names
from .task._task import Augment, Task

__all__ = [
    "IGNORE",
    "ArcAugmentation",
    "ArcItem",
    "ArcOptions",
    "ArcTask",
    "Augment",
    "BoardText",
    "ComputedSets",
    "Dataset",
    "DatasetMetadata",
    "Geometry",
    "HRMDataError",
    "HRMDataIOError",
    "MazeOptions",
    "MazeTask",
    "Mazes",
    "NoOptions",
    "NumpyBatch",
    "Original",
    "Picture",
    "PrefetchLoader",
    "Progress",
    "PuzzleSet",
    "Split",
    "SudokuAugment",
    "SudokuOptions",
    "SudokuTask",
    "Symmetry",
    "Task",
    "TaskDefaults",
    "TaskFamily",
    "TestLoader",
    "TrainLoader",
    "arc",
    "build_arc",
    "build_maze",
    "build_sudoku",
    "command_line",
    "dataset",
    "describe_task",
    "draw_grid",
    "evenly_spread",
    "family_version",
    "file_checksums",
    "fingerprint",
    "generate_mazes",
    "generate_sudoku",
    "get_family",
    "get_task",
    "kept_cells",
    "make_batch",
    "maze",
    "one_example_each",
    "open_dataset",
    "progress_bar",
    "read_arc",
    "sources",
    "sudoku",
    "symmetry",
    "task",
    "task_names",
    "task_of",
    "whole_solution",
    "write_dataset",
]
