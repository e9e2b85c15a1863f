from ._build import build_maze
from ._csv import read_mazes
from ._generate import Mazes, generate_mazes
from ._options import MazeOptions
from ._task import MazeTask

__all__ = ["MazeOptions", "MazeTask", "Mazes", "build_maze", "generate_mazes", "read_mazes"]
