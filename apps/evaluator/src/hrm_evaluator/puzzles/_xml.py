"""Puzzles in XML, such as OpenSudoku's: attributes and elements whose names stand for a puzzle."""

from collections.abc import Iterable, Iterator
from itertools import chain
from xml.parsers import expat

from hrm_data import Task
from hrm_data.sources import QUESTIONS, find_column

from hrm_evaluator._errors import UserError
from hrm_evaluator.puzzles._opensudoku import givens_of_game
from hrm_evaluator.puzzles._puzzle_text import LONGEST_PUZZLE, TOO_LONG, PuzzleText, only_puzzle

_PIECE = 1 << 16  # bytes that are parsed at once
_SMALL = 1 << 12
_NAMES = (*QUESTIONS, "data", "cells_data")


def puzzles_of_xml(lines: Iterable[tuple[int, str | None]], task: Task, source: str) -> Iterator[PuzzleText]:
    """Yield the puzzles of a document, each as soon as its element has been read."""
    elements = _Elements()
    before: int | None = None
    found = False
    for number, line in chain(lines, [(0, "")]):
        before = number - 1 if before is None else before
        if line is None:
            yield PuzzleText(f"{source}, line {number}", "", problem=TOO_LONG)
            return
        try:
            elements.read(f"{line}\n", is_last=not number)
        except UserError as error:
            yield PuzzleText(f"{source}, line {number}", "", problem=str(error))
            return
        except expat.ExpatError as error:
            problem = f"is not readable XML ({expat.ErrorString(error.code)}); the rest cannot be read"
            where = f"{source}, line {before + elements.parser.ErrorLineNumber}"
            yield PuzzleText(where, "", problem=problem)
            return
        for at, text in elements.found:
            found = True
            yield _puzzle(text, task, f"{source}, line {before + at}")
        elements.found.clear()
    if not found:
        names = ", ".join(_NAMES)
        yield PuzzleText(source, "", problem=f"has no puzzle in attributes or elements with one of the names {names}")


def _puzzle(text: str, task: Task, where: str) -> PuzzleText:
    try:
        text = givens_of_game(text) or text
    except UserError as error:
        return PuzzleText(where, "", problem=str(error))
    return PuzzleText(where, only_puzzle(task, text) or text)


class _Elements:
    """The puzzles in what has been parsed: their lines and texts."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self.parser = expat.ParserCreate("utf-8")  # whatever it declares: its text is decoded already
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.CharacterDataHandler = self._text
        self.parser.EndElementHandler = self._end
        self._inside: list[str] | None = None
        self._first = 0
        self._waiting = self._length = 0
        self._held = b""
        self.parser.CommentHandler = self.parser.ProcessingInstructionHandler = self._note

    def read(self, text: str, *, is_last: bool) -> None:
        """Parse more of the document.

        Raises:
            UserError: A tag is too long; the parser reads an unfinished one again and again.
            expat.ExpatError: It is not XML.
        """
        data = self._held + text.encode("utf-8", "replace")
        self._held = b""
        if self._waiting > _SMALL > len(data) and not is_last:  # inside a long tag: more at once is read less often
            self._held = data
            return
        for start in range(0, len(data), _PIECE):
            self._waiting += len(data[start : start + _PIECE])
            if self._waiting > LONGEST_PUZZLE:
                raise UserError(
                    f"has a tag or declaration of more than {LONGEST_PUZZLE:,} bytes; the rest cannot be read"
                )
            self.parser.Parse(data[start : start + _PIECE], False)
        if is_last:
            self.parser.Parse(b"", True)

    def _note(self, *_: object) -> None:
        self._waiting = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._waiting = 0
        line = self.parser.CurrentLineNumber
        names = list(attributes)
        named = find_column(names, _NAMES)
        if named is not None:
            self.found.append((line, attributes[names[named]]))
        self._inside = [] if find_column([name], _NAMES) is not None else None
        self._length = 0
        self._first = line

    def _text(self, text: str) -> None:
        self._waiting = 0
        if self._inside is not None and self._length <= LONGEST_PUZZLE:  # a longer text is no puzzle
            self._inside.append(text)
            self._length += len(text)

    def _end(self, _: str) -> None:
        self._waiting = 0
        text = "".join(self._inside or [])
        if text.strip():
            self.found.append((self._first, text))
        self._inside = None
