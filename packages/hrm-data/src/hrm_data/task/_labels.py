"""Labels that people write around a board: in front of its rows, and above its columns."""

from __future__ import annotations

import re
from string import ascii_lowercase

_NAMED = re.compile(r"([^\W\d]*)(\d{1,2})")  # no board has a hundred columns


def label_pattern(between: str, bars: str) -> re.Pattern[str]:
    """Return what finds the label of a row: its name in group 1 and what separates it from the cells in group 2.

    Args:
        between: Characters that may stand around a label, besides white space.
        bars: Parts of a frame, of which one may stand before a label.
    """
    around, bar = f"[\\s{re.escape(between)}]", f"[{re.escape(bars)}]"
    name = r"(?:r|row\s*)?(\d{1,2}|(?<![^\W_])[a-z])"
    return re.compile(f"{around}*{bar}?{around}*{name}({around}|{bar}|\\.\\s)", re.IGNORECASE)


def follows(label: str, before: str) -> bool:
    """Whether a row with this label may stand below one with the label `before`; without labels both are empty."""
    if label.isdigit() and before.isdigit():
        return int(label) == int(before) + 1
    pair = (before + label).lower()
    return pair in ("", "hj") or (bool(label and before) and pair in ascii_lowercase)  # many leave out `I`


def are_columns(names: list[str]) -> bool:
    """Whether these are the names of all columns: letters from A, or numbers from 0 or 1, such as `c1`."""
    if not all(names):
        return False
    text = "".join(names).lower()
    if ascii_lowercase.startswith(text) or ascii_lowercase.replace("i", "").startswith(text):
        return True
    numbered = [_NAMED.fullmatch(name) for name in names]
    found = [(match[1], int(match[2])) for match in numbered if match]
    first = found[0] if found else ("", -1)
    return first[1] in (0, 1) and found == [(first[0], first[1] + at) for at in range(len(names))]
