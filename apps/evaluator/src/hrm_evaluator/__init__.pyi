from ._errors import UserError
from ._solver import Solution, Solver, load

__all__ = ["Solution", "Solver", "UserError", "load"]
