"""Hitori for `hrm-data`: an example of a task in a package of its own."""

from hrm_hitori._family import HITORI, HitoriOptions
from hrm_hitori._make import make_hitori
from hrm_hitori._task import HitoriTask

__all__ = ["HITORI", "HitoriOptions", "HitoriTask", "make_hitori"]
