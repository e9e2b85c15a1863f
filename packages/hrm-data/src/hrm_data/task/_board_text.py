"""How boards of one size are written as text, and what a single line of it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from hrm_data.task._blocks import boards
from hrm_data.task._labels import are_columns, label_pattern
from hrm_data.task._lines import Line, Written
from hrm_data.task._wide import large_board, wide_row

_BARS = "|¦" + "".join(map(chr, range(0x2500, 0x2580)))
_BETWEEN = ",;:/\\\"'`“”‘’()[]{}<>" + _BARS  # noqa: RUF001 (curly quotes)
_RULES = "-_*=~"
_FRAME = set(_RULES + "+.!^ \t" + _BETWEEN)
_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMBER = re.compile(r"\W*\d+\W*")
_NOTE = re.compile(r";.*|(?:^|(?<=\s))//.*")
_BAR = re.compile(f"[{re.escape(_BARS)}]")


@dataclass(frozen=True)
class BoardText:
    """How boards of one size are written: one character for each cell, whatever stands around.

    A board is one line, or a line for each row. Frames, brackets, quotes, commas and `/` may separate cells or rows,
    and rows may have labels, such as `A` or `r1`. In a line of fields, such as an id, the puzzle and its solution, the
    board is the field that has its cells.
    """

    rows: int
    columns: int
    cells: str
    """Characters of cells that are not blank."""
    blanks: str = "."
    """Characters of blank cells. With a space among them all spaces are cells; otherwise spaces separate cells, or are
    blanks if only that makes a row, and the first of these characters is then written for a space."""
    band: int = 0
    """Rows of a band, such as the rows of a Sudoku's box, if a blank line may separate the bands of a board."""

    def find(self, lines: Iterable[str]) -> Iterator[Written]:
        """Yield the boards in lines of text: the number of the first line, from 1, and the cells.

        Lines are drawn one by one. Blank lines, comments, frames and the titles of boards are left out; all other lines
        are yielded as they are, so that `Task.parse` can explain the error. No line shifts the boards after it.
        """
        return boards(self._read_all(lines), self.rows, self.band)

    def _read_all(self, lines: Iterable[str]) -> Iterator[Line]:
        semicolons = 0
        for line in lines:
            found = self.read(line, semicolons)
            if found.kind == "board":
                semicolons = line.count(";")
            yield found

    def read(self, line: str, semicolons: int = 0) -> Line:
        """Return what a line is.

        Args:
            line: The line, with or without its end.
            semicolons: How many of them the line of the board before has.
        """
        line = line.rstrip("\r\n")
        if not line.isascii():
            line = unicodedata.normalize("NFKC", line)  # digits of full width
        if not line.strip():
            return self._rule(" ") if len(line) == self.columns else Line("blank")
        if "#" not in self._allowed:
            line = line.split("#")[0]
        code = line if self._lacks_first_field(line, semicolons) else _NOTE.sub("", line)
        if not code.strip():
            return Line("comment")
        texts = [code, line] if code != line else [line]
        found = next(filter(None, map(self._board, texts)), None)
        if found and (found.kind != "row" or not self._begins_with_label(code)):
            return self._with_frame(found, line)
        labelled = next(filter(None, map(self._labelled, texts)), None)
        return labelled or (self._with_frame(found, line) if found else self._other(code, line))

    def _with_frame(self, found: Line, text: str) -> Line:
        between = (char for char in text if char not in self._allowed and not char.isspace())
        return found._replace(between="".join(between)) if found.kind in ("row", "rule") else found

    def _lacks_first_field(self, line: str, semicolons: int) -> bool:
        """Whether a line that begins with `;` has fields, one of them like a board, and is no comment."""
        if not re.match(r";\S", line) or (line.count(";") < 2 and line.count(";") != semicolons):
            return False
        fields = (field.strip() for field in line.split(";"))
        return any(
            len(field) >= 2 * self.columns and 2 * sum(char in self._allowed for char in field) > len(field)
            for field in fields
            if self._spaces or " " not in field
        )

    @property
    def _size(self) -> int:
        return self.rows * self.columns

    @property
    def _blank(self) -> str:
        return " " if self._spaces else self.blanks[0]

    @property
    def _spaces(self) -> bool:
        return " " in self.blanks

    @cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(self.cells + self.blanks)

    @cached_property
    def _between(self) -> re.Pattern[str]:
        chars = "".join(char for char in _BETWEEN if char not in self._allowed)
        return re.compile(f"[{re.escape(chars)}]" if self._spaces else f"[\\s{re.escape(chars)}]+")

    def _without_plus(self, text: str) -> str:
        return text if "+" in self._allowed else text.replace("+", "")

    def _board(self, text: str) -> Line | None:
        """Return the board or the row in a line, if there is one."""
        if len(text) == self._size and self._allowed.issuperset(text):
            return self._line(text)
        pieces = [self._without_plus(piece) for piece in self._between.split(text)]
        for cells in self._joined(pieces):
            if len(cells) in (self._size, self.columns) and self._allowed.issuperset(cells):
                return self._line(cells, is_frame="+" in text)
        fields = [piece for piece in pieces if self._is_board(piece)]
        fields += [piece.strip() for piece in pieces if self._is_board(piece.strip())]
        fields += [field for piece in pieces for field in piece.split() if self._is_board(field)]
        if fields:  # a puzzle stands beside its solution
            return self._line(next((field for field in fields if set(field) & set(self.blanks)), fields[0]))
        return self._padded(text) if self._spaces else self._with_spaces(text)

    @cached_property
    def _label(self) -> re.Pattern[str]:
        return label_pattern(
            "".join(char for char in _BETWEEN + "=" if char not in self._allowed and char not in _BARS), _BARS
        )

    def _begins_with_label(self, text: str) -> bool:
        """Whether the first number is no cell, as in `1: 53..7....`, or outside the frame of a row."""
        match = self._label.match(text)
        if not match:
            return False
        rest = text[match.end() - bool(_BAR.match(match[2])) :].strip()
        is_outside = not _BAR.match(text.strip()) or len(_BAR.findall(rest)) == self.columns + 1
        is_framed = is_outside and all(map(_BAR.match, (rest[:1], rest[-1:]))) and self._labelled_row(rest) is not None
        return is_framed or (match[2] in ":)" and match[2] not in text[match.end() :])

    def _labelled(self, text: str) -> Line | None:
        """Return the row behind a label, or the row with a mistake."""
        match = self._label.match(text)
        if not match:
            return None
        label, mark = match.groups()
        cells = text[match.end() :]
        is_framed = bool(_BAR.match(mark))
        if not is_framed and mark.strip():
            cells = cells.removeprefix(" ")
        for row in (mark + cells, cells) if is_framed else (cells, _BAR.sub("", cells, count=1)):
            found = self._labelled_row(row)
            if found:
                return found._replace(label=label)
        is_label = mark[0] in ":.)]" or bool(_BAR.match((mark + cells).lstrip()))
        size = len(self._without_plus(self._between.sub("", cells)))
        if not is_label and (size != self.columns or self._other(text, text).kind == "title"):
            return None
        found = self._other(cells, cells)
        return found._replace(label=label) if found.kind == "bad row" else None

    def _labelled_row(self, text: str) -> Line | None:
        """Return the row behind a label. Where spaces are cells, no other spaces may stand beside them."""
        found = self._board(text) if text.strip() or len(text) == self.columns else None
        if not found or found.kind not in ("row", "rule"):
            return None
        if " " in found.blanks and len(text) != self.columns and not _BAR.search(text):
            return None
        return self._with_frame(found, text)._replace(kind="row")

    def _joined(self, pieces: list[str]) -> Iterator[str]:
        yield "".join(pieces)
        if self._spaces and len(pieces) > 1:
            first, last = (1 if not pieces[at].strip() else 0 for at in (0, -1))
            yield "".join(pieces[first : len(pieces) - last])
            yield "".join(piece for piece in pieces if piece.strip())

    def _is_board(self, field: str) -> bool:
        return len(field) == self._size and self._allowed.issuperset(field) and not set(field) <= set(self.blanks)

    def _line(self, cells: str, *, is_frame: bool = False) -> Line:
        """Return a line of cells alone; without a value it may be part of a frame."""
        used = frozenset(cells)
        if used <= set(self.blanks) and used & set(_RULES):
            if len(used) == 1 and len(cells) == self.columns and not is_frame:
                return self._rule(cells[0])
            return Line("frame", cells)
        text = cells if self._spaces else cells.replace(" ", self._blank)
        return Line("board" if len(cells) == self._size else "row", text, used & set(self.blanks + " "))

    def _rule(self, char: str) -> Line:
        return Line("rule", (char if char in self.blanks else self._blank) * self.columns, frozenset(char))

    def _padded(self, text: str) -> Line | None:
        """Read cells with spaces or a comment behind them, where spaces are cells."""
        for length in (self._size, self.columns):
            cells, rest = text[:length], text[length:]
            is_note = rest[:1].isspace() and rest.strip()[:1] == "#" and not self._allowed.issuperset(rest)
            if len(cells) == length and self._allowed.issuperset(cells) and (not rest.strip() or is_note):
                return self._line(cells)
        return None

    def _with_spaces(self, text: str) -> Line | None:
        """Read cells of which some are spaces, with or without a frame."""
        for length in (self._size, self.columns):
            if len(text) >= length and not text[length:].strip():
                line = self._spaced(text[:length])
                if line:
                    return line
        inner = text.strip()
        if not _BAR.search(inner):
            return None
        outer = [inner[1:-1]] if _BAR.match(inner) and _BAR.match(inner[-1]) else [text, f" {text} "]
        for framed in outer:
            line = self._framed(_BAR.split(framed))
            if line:
                return line
        return None

    def _framed(self, pieces: list[str]) -> Line | None:
        """Read the pieces between bars, each with as many cells, and perhaps a space between and around these."""
        count, rest = divmod(self.columns, len(pieces))
        widths = {len(piece) for piece in pieces}
        if rest or (len(widths) > 1 and count > 1):
            return None
        if count == 1:
            return self._spaced("".join(piece.strip() or " " for piece in pieces))
        width = widths.pop()
        if width == count:
            return self._spaced("".join(pieces))
        if width not in (2 * count - 1, 2 * count + 1):
            return None
        first = 1 if width > 2 * count else 0
        if any(piece[1 - first :: 2].strip() for piece in pieces):
            return None
        return self._spaced("".join(piece[first::2] for piece in pieces))

    def _spaced(self, cells: str) -> Line | None:
        if len(cells) not in (self._size, self.columns) or not (self._allowed | {" "}).issuperset(cells):
            return None
        if not cells.strip():
            return self._rule(" ")
        return None if set(cells) <= set(self.blanks + " ") else self._line(cells)

    def _other(self, line: str, with_note: str) -> Line:
        """Return what a line without a board or row is; `with_note` is the line with all that may be a comment."""
        text = line.strip()
        if self._names_columns(text):
            return Line("title", text)
        cells = wide_row(with_note)
        if cells and len(cells) > self.columns and len(cells) != self._size and not set(cells) <= set(_RULES):
            return Line("wide", with_note.strip(), cells=cells)
        if large := large_board(text):
            return Line("board", large)
        if set(text) <= _FRAME and not (set(text) <= self._allowed and not set(text) & set(_RULES)):
            return Line("frame" if set(text) & set(_RULES + _BARS[2:]) else "between", text)
        compact = self._without_plus(self._between.sub("", line.rstrip()))
        known = sum(char in self._allowed for char in compact)
        letters = {char for char in text if char.isalpha()} - self._allowed
        has_word = any(map(self._is_word, _WORD.findall(text)))
        if not has_word and (
            (len(compact) == self.columns and 2 * known > len(compact))
            or (known == len(compact) < 2 * self.columns and not compact.isdigit())
        ):
            return Line("bad row", line.rstrip() if self._spaces else _BAR.sub(" ", text))
        if text[0] == "#" and len(line.rstrip()) not in (self.columns, self._size):
            solid = [char in self._allowed for char in compact if not char.isspace()]
            if 2 * sum(solid) <= len(solid):
                return Line("comment")  # although `#` is also a cell
        no_words = _WORD.sub(lambda word: "" if self._is_word(word[0]) else word[0], with_note)
        is_short = sum(char in self._allowed and not char.isspace() for char in no_words) < 2 * self.columns
        edges = {text[0], text[-1]}
        is_decorated = not any(map(str.isalnum, edges)) and (
            not edges & self._allowed or (has_word and edges <= set(_RULES))
        )
        is_named = bool(letters) and (is_decorated or text[-1] == ":" or (has_word and re.search(r"\d", text)))
        if is_short and (is_named or _NUMBER.fullmatch(text)):
            return Line("title", text)
        return Line("other", line.rstrip() if self._spaces else text)

    def _names_columns(self, text: str) -> bool:
        names = [name for name in re.split(f"[\\s{re.escape(_BETWEEN)}]+", text) if name]
        if len(names) != self.columns:
            names = list("".join(names))
        return len(names) == self.columns and are_columns(names)

    def _is_word(self, letters: str) -> bool:
        return sum(char not in self._allowed for char in letters) > 1
