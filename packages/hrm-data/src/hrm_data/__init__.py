"""Datasets of reasoning puzzles: generators, builders, augmentation and a deterministic loader."""

from hrm_data._augment import SudokuAugment
from hrm_data._build import SudokuOptions, build_sudoku
from hrm_data._csv import read_csv
from hrm_data._errors import HRMDataError
from hrm_data._format import Dataset, PuzzleSet, open_dataset
from hrm_data._generate import Puzzles, generate_sudoku
from hrm_data._loader import Augment, Batch, TestLoader, TrainLoader
from hrm_data._metadata import DatasetMetadata
from hrm_data._orbit import orbit_invariant
from hrm_data._solver import Solved, solve
from hrm_data._split import split_of
from hrm_data._task import SudokuTask, Task, get_task
from hrm_data._write import one_example_each, write_dataset

__all__ = [
    "Augment",
    "Batch",
    "Dataset",
    "DatasetMetadata",
    "HRMDataError",
    "PuzzleSet",
    "Puzzles",
    "Solved",
    "SudokuAugment",
    "SudokuOptions",
    "SudokuTask",
    "Task",
    "TestLoader",
    "TrainLoader",
    "build_sudoku",
    "generate_sudoku",
    "get_task",
    "one_example_each",
    "open_dataset",
    "orbit_invariant",
    "read_csv",
    "solve",
    "split_of",
    "write_dataset",
]
