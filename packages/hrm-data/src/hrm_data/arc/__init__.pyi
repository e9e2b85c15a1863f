from ._build import build_arc
from ._grid import ArcAugmentation, crop, crop_sizes, encode_grid, parse_identifier
from ._options import ArcOptions
from ._task import ArcTask
from .reading._item import ArcItem
from .reading._select import read_arc

__all__ = [
    "ArcAugmentation",
    "ArcItem",
    "ArcOptions",
    "ArcTask",
    "build_arc",
    "crop",
    "crop_sizes",
    "encode_grid",
    "parse_identifier",
    "read_arc",
]
