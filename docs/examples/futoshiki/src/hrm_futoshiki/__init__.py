"""Futoshiki for `hrm-data`: an example of a task whose boards hold tokens for which nothing is asked."""

from hrm_futoshiki._family import FUTOSHIKI, FutoshikiOptions
from hrm_futoshiki._make import make_futoshiki
from hrm_futoshiki._task import FutoshikiTask

__all__ = ["FUTOSHIKI", "FutoshikiOptions", "FutoshikiTask", "make_futoshiki"]
