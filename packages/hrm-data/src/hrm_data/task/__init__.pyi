from ._board_text import BoardText
from ._json import read_task

__all__ = ["BoardText", "read_task"]
