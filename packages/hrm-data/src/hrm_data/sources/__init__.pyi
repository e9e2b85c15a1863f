from ._archive import read_archive
from ._download import download

__all__ = ["download", "read_archive"]
