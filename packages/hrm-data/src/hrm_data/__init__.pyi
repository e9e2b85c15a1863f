from ._arc import ArcTask
from ._arc_build import build_arc
from ._arc_grid import (
    ArcAugmentation,
    crop,
    crop_sizes,
    encode_grid,
    parse_identifier,
)
from ._arc_options import ArcOptions
from ._arc_read import ArcItem, read_arc
from ._archive import read_archive
from ._augment import SudokuAugment
from ._bar import progress_bar
from ._build import build_sudoku
from ._csv import read_csv
from ._dihedral import DihedralAugment, dihedral, undo_dihedral
from ._download import download
from ._errors import HRMDataError, HRMDataIOError
from ._family import NoOptions, Preset, TaskFamily
from ._fingerprint import fingerprint
from ._format import Dataset, PuzzleSet
from ._generate import Puzzles, generate_sudoku
from ._json import read_task
from ._loader import IGNORE, Augment, Batch, TestLoader, TrainLoader, make_batch
from ._maze import MazeTask
from ._maze_build import build_maze
from ._maze_csv import read_mazes
from ._maze_generate import Mazes, generate_mazes
from ._maze_options import MazeOptions
from ._metadata import DatasetMetadata
from ._open import open_dataset, splits_of
from ._orbit import orbit_invariant
from ._picture import Picture, draw_grid
from ._prefetch import PrefetchLoader
from ._progress import Progress
from ._registry import family_version, get_family, get_task, task_names, task_of
from ._solver import Solved, solve
from ._split import split_of
from ._sudoku import SudokuTask
from ._sudoku_options import SudokuOptions
from ._symmetry import Original, Symmetry, relabelling
from ._task import Task
from ._write import one_example_each, write_dataset

__all__ = [
    "IGNORE",
    "ArcAugmentation",
    "ArcItem",
    "ArcOptions",
    "ArcTask",
    "Augment",
    "Batch",
    "Dataset",
    "DatasetMetadata",
    "DihedralAugment",
    "HRMDataError",
    "HRMDataIOError",
    "MazeOptions",
    "MazeTask",
    "Mazes",
    "NoOptions",
    "Original",
    "Picture",
    "PrefetchLoader",
    "Preset",
    "Progress",
    "PuzzleSet",
    "Puzzles",
    "Solved",
    "SudokuAugment",
    "SudokuOptions",
    "SudokuTask",
    "Symmetry",
    "Task",
    "TaskFamily",
    "TestLoader",
    "TrainLoader",
    "build_arc",
    "build_maze",
    "build_sudoku",
    "crop",
    "crop_sizes",
    "dihedral",
    "download",
    "draw_grid",
    "encode_grid",
    "family_version",
    "fingerprint",
    "generate_mazes",
    "generate_sudoku",
    "get_family",
    "get_task",
    "make_batch",
    "one_example_each",
    "open_dataset",
    "orbit_invariant",
    "parse_identifier",
    "progress_bar",
    "read_arc",
    "read_archive",
    "read_csv",
    "read_mazes",
    "read_task",
    "relabelling",
    "solve",
    "split_of",
    "splits_of",
    "task_names",
    "task_of",
    "undo_dihedral",
    "write_dataset",
]
