"""Puzzles in XML, such as OpenSudoku's: attributes and elements whose names stand for a puzzle."""

from collections.abc import Iterable, Iterator
from itertools import chain
from xml.parsers import expat

from hrm_data import Task
from hrm_data.sources import QUESTIONS, find_column

from hrm_evaluator._errors import UserError
from hrm_evaluator.puzzles._opensudoku import givens_of_game
from hrm_evaluator.puzzles._puzzle_text import TOO_LONG, PuzzleText, only_puzzle

LONGEST = 1 << 20
"""The most characters of a tag, comment or declaration."""
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
        if elements.unfinished(len(line)) > LONGEST:
            problem = f"has a tag, comment or declaration of more than {LONGEST:,} characters; the rest cannot be read"
            yield PuzzleText(f"{source}, line {number}", "", problem=problem)
            return
        try:
            elements.parser.Parse(f"{line}\n".encode("utf-8", "replace"), not number)
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
        self._waiting = 0
        self.parser.CommentHandler = self.parser.ProcessingInstructionHandler = self._note

    def unfinished(self, more: int) -> int:
        """Count `more` characters since the last tag or text: the parser reads an unfinished one again and again."""
        self._waiting += more + 1
        return self._waiting

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
        self._first = line

    def _text(self, text: str) -> None:
        self._waiting = 0
        if self._inside is not None:
            self._inside.append(text)

    def _end(self, _: str) -> None:
        self._waiting = 0
        text = "".join(self._inside or [])
        if text.strip():
            self.found.append((self._first, text))
        self._inside = None
