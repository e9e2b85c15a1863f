from ._errors import UserError
from ._load import load
from ._solver import Solution, Solver

__all__ = ["Solution", "Solver", "UserError", "load"]
