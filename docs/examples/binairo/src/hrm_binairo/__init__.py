"""Binairo for `hrm-data`: an example of puzzles that come as question and answer texts."""

from hrm_binairo._family import BINAIRO, BinairoOptions
from hrm_binairo._make import make_binairo
from hrm_binairo._task import BinairoTask
from hrm_binairo._texts import pairs_of, read_pairs

__all__ = ["BINAIRO", "BinairoOptions", "BinairoTask", "make_binairo", "pairs_of", "read_pairs"]
