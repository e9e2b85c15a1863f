"""Puzzles in JSON: boards as strings or lists, in lists and objects of any depth, and ARC tasks."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from hrm_data import Task
from hrm_data.sources import ANSWERS, QUESTIONS, find_column
from hrm_data.untrusted import parse_json, shortened

from hrm_evaluator.puzzles._lines import LONGEST
from hrm_evaluator.puzzles._puzzle_text import PuzzleText, only_puzzle

MOST_VALUES = 1 << 20
"""The most values of a document or line; as many take some hundred megabytes of memory."""
_DOCUMENT = re.compile(r'\s*(\{\s*(["}]|$)|\[[\s\[]*(\{|$))')
_LIST = re.compile(r'\s*\[\s*["\[]')
_ITEMS = 4096  # a longer list is no board
_DEEPEST = 20


def is_json(line: str, task: Task) -> bool:
    """Whether a line begins JSON, and is not itself a board of the task."""
    if _DOCUMENT.match(line):
        return True
    return bool(_LIST.match(line)) and _value(line) is not None and only_puzzle(task, line) is None


def puzzles_of_json(lines: Iterable[tuple[int, str | None]], task: Task, source: str) -> Iterator[PuzzleText]:
    """Yield the puzzles of a document, or of a file with a JSON value in each line."""
    lines = iter(lines)
    number, first = next(lines)
    lines = chain([(number, first)], lines)
    name = Path(source).stem
    if _value(first or "") is None:
        yield from _of_document(lines, task, source, name)
        return
    for number, line in lines:
        where = f"{source}, line {number}"
        if line is None:
            yield PuzzleText(where, "", problem=f"is longer than {LONGEST:,} characters; write shorter lines")
        elif (value := _value(line)) is not None:
            yield from _of_value(value, task, where, name)
        elif line.strip():
            yield PuzzleText(where, only_puzzle(task, line) or line)


def _of_document(lines: Iterable[tuple[int, str | None]], task: Task, source: str, name: str) -> Iterator[PuzzleText]:
    parts: list[str] = []
    length = 0
    for _, line in lines:
        parts.append(line or "")
        length += len(parts[-1]) + 1
        if line is None or length > LONGEST:
            problem = f"is longer than {LONGEST:,} characters as JSON; write a puzzle in each line"
            yield PuzzleText(source, "", problem=problem)
            return
    try:
        value = parse_json("\n".join(parts), MOST_VALUES)
    except ValueError as error:
        yield PuzzleText(source, "", problem=f"is not readable JSON ({shortened(error)})")
        return
    yield from _of_value(value, task, source, name)


def _value(line: str) -> Any:
    """Return the JSON value in a line, or None."""
    try:
        return parse_json(line, MOST_VALUES)
    except ValueError:
        return None


def _of_value(value: Any, task: Task, source: str, name: str, depth: int = 0) -> Iterator[PuzzleText]:
    if depth > _DEEPEST:
        yield PuzzleText(source, "", problem="is nested too deeply; write a list of puzzles")
    elif isinstance(value, dict):
        yield from _of_object(value, task, source, name, depth)
    elif (text := _board(value, task)) is not None:
        yield PuzzleText(source, text, name)
    elif isinstance(value, list) and value and _holds_boards(value, task):
        for number, item in enumerate(value, start=1):
            yield from _of_value(item, task, f"{source}, item {number}", name, depth + 1)
    elif isinstance(value, str):
        yield PuzzleText(source, value, name)
    else:
        problem = f"is no board of {task.name}; write a board as a string or as a list of rows"
        yield PuzzleText(source, "", problem=problem)


def _of_object(value: dict[str, Any], task: Task, source: str, name: str, depth: int) -> Iterator[PuzzleText]:
    """Find the test inputs of an ARC task, the puzzle of an object that names it, or the puzzles of the members."""
    keys = list(value)
    if "test" in value:
        name = value["name"] if isinstance(value.get("name"), str) else name
        tests = value["test"] if isinstance(value["test"], list) else [value["test"]]
        for number, pair in enumerate(tests, start=1):
            where = f"{source}, test {number}"
            if isinstance(pair, dict) and "input" in pair:
                answer = json.dumps(pair["output"]) if pair.get("output") else None
                yield PuzzleText(where, json.dumps(pair["input"]), name, answer=answer)
            else:
                yield PuzzleText(where, "", problem="has no input")
    elif (named := find_column(keys, QUESTIONS)) is not None:
        yield from _of_value(value[keys[named]], task, source, name, depth + 1)
    else:
        members = [
            key
            for key in keys
            if find_column([key], ANSWERS) is None
            and (isinstance(value[key], dict | list) or _board(value[key], task) is not None)
        ]
        for key in members:
            yield from _of_value(value[key], task, f"{source}, {shortened(key)}", key, depth + 1)
        if not members:
            yield PuzzleText(source, "", problem=f"has no puzzle; name it {QUESTIONS[0]}")


def _board(value: Any, task: Task) -> str | None:
    """Return the text of a board written as a string or a list."""
    if isinstance(value, list) and 0 < len(value) <= _ITEMS and not any(isinstance(item, dict) for item in value):
        blank_for_none = json.dumps(value, ensure_ascii=False).replace("null", ".").replace('""', '"."')
        return only_puzzle(task, blank_for_none)
    return only_puzzle(task, value) if isinstance(value, str) else None


def _holds_boards(items: list[Any], task: Task) -> bool:
    """Whether a list holds boards or lists of them, not the rows of one board."""
    return (
        any(isinstance(item, dict) for item in items)
        or any(isinstance(row, list | dict) for item in items if isinstance(item, list) for row in item)
        or any(_board(item, task) is not None for item in items)
    )
