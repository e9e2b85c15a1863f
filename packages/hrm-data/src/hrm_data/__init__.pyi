from . import arc, command_line, dataset, maze, sources, sudoku, symmetry, task
from ._errors import HRMDataError, HRMDataIOError
from ._progress import Progress, progress_bar
from ._puzzle_set import PuzzleSet
from ._split import Split
from .dataset._fingerprint import fingerprint
from .dataset._format import Dataset
from .dataset._loader import IGNORE, NumpyBatch, TestLoader, TrainLoader, make_batch
from .dataset._metadata import DatasetMetadata
from .dataset._prefetch import PrefetchLoader
from .dataset._read import open_dataset, task_of
from .dataset._write import one_example_each, write_dataset
from .symmetry._symmetry import Original, Symmetry
from .task._family import ComputedSets, NoOptions, TaskDefaults, TaskFamily
from .task._picture import Picture, draw_grid
from .task._registry import family_version, get_family, get_task, task_names
from .task._task import Augment, Task

__all__ = [
    "IGNORE",
    "Augment",
    "ComputedSets",
    "Dataset",
    "DatasetMetadata",
    "HRMDataError",
    "HRMDataIOError",
    "NoOptions",
    "NumpyBatch",
    "Original",
    "Picture",
    "PrefetchLoader",
    "Progress",
    "PuzzleSet",
    "Split",
    "Symmetry",
    "Task",
    "TaskDefaults",
    "TaskFamily",
    "TestLoader",
    "TrainLoader",
    "arc",
    "command_line",
    "dataset",
    "draw_grid",
    "family_version",
    "fingerprint",
    "get_family",
    "get_task",
    "make_batch",
    "maze",
    "one_example_each",
    "open_dataset",
    "progress_bar",
    "sources",
    "sudoku",
    "symmetry",
    "task",
    "task_names",
    "task_of",
    "write_dataset",
]
