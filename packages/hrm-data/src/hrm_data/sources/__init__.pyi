from ._archive import read_archive
from ._columns import ANSWERS, QUESTIONS, delimiter_of, encoding_of, find_column
from ._download import download

__all__ = ["ANSWERS", "QUESTIONS", "delimiter_of", "download", "encoding_of", "find_column", "read_archive"]
