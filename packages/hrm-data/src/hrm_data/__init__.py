"""Datasets of reasoning puzzles: generators, builders, augmentation and a deterministic loader."""

from hrm_data._arc import ArcTask
from hrm_data._arc_build import ArcOptions, build_arc
from hrm_data._arc_grid import (
    ArcAugmentation,
    crop,
    crop_sizes,
    encode_grid,
    parse_identifier,
)
from hrm_data._arc_read import ArcItem, read_arc
from hrm_data._archive import read_archive
from hrm_data._augment import SudokuAugment
from hrm_data._bar import progress_bar
from hrm_data._build import SudokuOptions, build_sudoku
from hrm_data._csv import read_csv
from hrm_data._dihedral import DihedralAugment, dihedral, undo_dihedral
from hrm_data._download import download
from hrm_data._errors import HRMDataError, HRMDataIOError
from hrm_data._family import NoOptions, Preset, TaskFamily
from hrm_data._fingerprint import fingerprint
from hrm_data._format import Dataset, PuzzleSet, read_task
from hrm_data._generate import Puzzles, generate_sudoku
from hrm_data._loader import IGNORE, Augment, Batch, TestLoader, TrainLoader
from hrm_data._maze import MazeTask
from hrm_data._maze_build import MazeOptions, build_maze
from hrm_data._maze_csv import read_mazes
from hrm_data._maze_generate import Mazes, generate_mazes
from hrm_data._metadata import DatasetMetadata
from hrm_data._open import open_dataset, splits_of
from hrm_data._orbit import orbit_invariant
from hrm_data._picture import Picture, draw_grid
from hrm_data._prefetch import PrefetchLoader
from hrm_data._progress import Progress
from hrm_data._registry import family_version, get_family, get_task, task_names, task_of
from hrm_data._solver import Solved, solve
from hrm_data._split import split_of
from hrm_data._sudoku import SudokuTask
from hrm_data._symmetry import Original, Symmetry, relabelling
from hrm_data._task import Task
from hrm_data._write import one_example_each, write_dataset

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
