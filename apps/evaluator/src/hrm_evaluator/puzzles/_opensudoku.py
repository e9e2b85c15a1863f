"""Boards of OpenSudoku's saved games: for each cell its value, pencil marks and whether the user may edit it."""

import re

from hrm_data.untrusted import quoted

from hrm_evaluator._errors import UserError

_GAME = re.compile(r"\s*version:\s*([0-9]{1,9})\s(.*)", re.DOTALL)
_FIELDS = {1: 3, 2: 3, 3: 3, 4: 4, 5: 5}
"""Fields of a cell in each version. The first is the value, the last 0 for a given cell and 1 for one to fill in."""


def givens_of_game(data: str) -> str | None:
    """Return the given cells of a saved game, `.` for others; without any, the values. None if it is no saved game.

    Raises:
        UserError: If its version is unknown or a cell is malformed.
    """
    match = _GAME.fullmatch(data)
    if not match:
        return None
    version = int(match[1])
    if version not in _FIELDS:
        known = ", ".join(map(str, _FIELDS))
        raise UserError(f"is a saved game of version {version}; versions {known} are read, so save the digits alone")
    fields = [field for field in match[2].split("|") if field.strip()]  # version 2 may have two bars for one
    size = _FIELDS[version]
    cells = [fields[at : at + size] for at in range(0, len(fields), size)]
    for number, cell in enumerate(cells, start=1):
        if len(cell) != size or not re.fullmatch(r"[0-9]", cell[0]) or cell[-1] not in ("0", "1"):
            text = "|".join(cell)
            raise UserError(
                f"is a saved game whose cell {number} is {quoted(text)}; a cell has {size} fields in version {version}"
            )
    givens = "".join(cell[0] if cell[-1] == "0" else "." for cell in cells)
    values = "".join(cell[0] for cell in cells)
    return (givens if givens.strip(".0") else values).replace("0", ".")
