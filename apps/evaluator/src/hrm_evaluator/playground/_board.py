"""What a page must know of a task to draw its boards and to read them: glyphs, places, and what may be typed."""

import string
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from hrm_data import HRMDataError, Picture, Task

from hrm_evaluator._errors import UserError
from hrm_evaluator.report._trajectory import Layout, layout

_TYPED = string.digits + string.ascii_letters + string.punctuation + " "


class Canvas(NamedTuple):
    """How boards of different sizes stand on one canvas: in its upper left corner.

    Attributes:
        edge: Token to the right of a board and below it.
        outside: Token of the rest.
    """

    edge: int
    outside: int


def describe_board(task: Task, puzzles: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return the description of a task's boards for the page.

    Args:
        task: The task; what its methods do with boards of one token, and with the puzzles, is written into tables.
        puzzles: Examples, tokens `[seq_len]` each, which show what a puzzle may hold.

    Raises:
        UserError: If its boards cannot be drawn token by token.
    """
    whole = dict(_whole_boards(task))
    pictures = {token: task.render(task.decode(tokens)) for token, tokens in whole.items()}
    shown = [task.render(task.decode(puzzle)) for puzzle in puzzles]
    glyphs = _glyphs(task, pictures, zip(puzzles, shown, strict=True))
    places = layout([*pictures.values(), *shown])
    canvas = None if all(glyphs) else _canvas(task, whole, glyphs, places)
    if canvas is None and any(not glyphs[token] for token in _held(puzzles)):
        raise UserError(f"{task.name} cannot be drawn: how its smaller boards are encoded is not known")
    if len(places.cells) < task.seq_len:
        raise UserError(f"{task.name} cannot be drawn: its pictures have {len(places.cells)} of {task.seq_len} tokens")
    drawn = {token for token in range(task.vocab_size) if glyphs[token]}
    typed = _typed(task, whole, glyphs, drawn if canvas else drawn & _allowed(task, puzzles))
    return {
        "task": task.name,
        "family": task.to_json()["task"],
        "rows": places.rows,
        "columns": places.columns,
        "rowBreaks": places.row_breaks,
        "columnBreaks": places.column_breaks,
        "cells": [places.cells[token] for token in range(task.seq_len)],
        "glyphs": glyphs,
        "colours": dict(task.colours),
        "typed": typed,
        "blank": task.open_token if task.open_token is not None else typed.get("."),
        "kept": list(task.kept_tokens),
        "canvas": canvas and canvas._asdict(),
        "groups": _groups(task),
    }


def _whole_boards(task: Task) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the tokens that can fill a whole board, each with that board's tokens."""
    for token in range(task.vocab_size):
        tokens = np.full(task.seq_len, token, np.int32)
        try:
            task.render(task.decode(tokens))
        except (HRMDataError, ValueError, LookupError, TypeError):
            continue
        yield token, tokens


def _glyphs(task: Task, whole: dict[int, Picture], examples: Iterable[tuple[np.ndarray, Picture]]) -> list[str]:
    """Return the character of each token, empty if it is not shown."""
    seen: dict[int, set[str]] = {token: set() for token in range(task.vocab_size)}
    for puzzle, picture in examples:
        for at, token in enumerate(puzzle.tolist()):
            seen[token].add(picture.symbol(at))
    for token, picture in whole.items():
        if not seen[token]:
            seen[token] = {picture.symbol(at) for at in range(task.seq_len)}
    unclear = [token for token, symbols in seen.items() if len(symbols) > 1]
    if unclear:
        symbols = ", ".join(map(repr, sorted(seen[unclear[0]])))
        raise UserError(f"{task.name} cannot be drawn: its token {unclear[0]} looks different ({symbols}) by its place")
    glyphs = ["".join(symbols) for symbols in seen.values()]
    if not any(glyphs):
        raise UserError(f"{task.name} cannot be drawn: its pictures show no token")
    return glyphs


def _held(puzzles: Sequence[np.ndarray]) -> set[int]:
    """Return the tokens that puzzles hold."""
    return {token for puzzle in puzzles for token in puzzle.tolist()}


def _allowed(task: Task, puzzles: Sequence[np.ndarray]) -> set[int | None]:
    """Return the tokens that a puzzle may hold: those of the examples, interchangeable ones, and the open one."""
    board = task.geometry()
    return _held(puzzles) | set(board.symbols if board else ()) | {task.open_token}


def _typed(task: Task, whole: dict[int, np.ndarray], glyphs: list[str], allowed: set[int]) -> dict[str, int]:
    """Return the token of each character that may be typed: glyphs first, then whatever else the task reads."""
    found = {glyphs[token]: token for token in sorted(allowed)}
    for token in sorted(allowed & whole.keys()):
        try:
            text = task.text(task.decode(whole[token]))
            if not np.array_equal(task.encode(task.parse(text)), whole[token]):
                continue
        except HRMDataError:
            continue
        for char in _TYPED:
            if char not in found and (read := _read_all(task, text, text[0], char)) in allowed:
                found[char] = read
        break
    return found


def _read_all(task: Task, text: str, old: str, new: str) -> int | None:
    """Return the token that the task reads for a character throughout a board; None if it reads none."""
    try:
        tokens = task.encode(task.parse(text.replace(old, new)))
    except HRMDataError:
        return None
    return int(tokens[0]) if (tokens == tokens[0]).all() else None


def _canvas(task: Task, whole: dict[int, np.ndarray], glyphs: list[str], places: Layout) -> Canvas | None:
    """Return how boards that are smaller than the canvas are encoded; None if it does not show."""
    rows, columns = places.rows, places.columns
    token = next((token for token in whole if glyphs[token]), None)
    if token is not None and list(places.cells.values()) == list(range(rows * columns)):
        board = task.decode(whole[token])
        sizes = [(1, 1), (1, 2), (2, 1), (rows - 1, columns - 1), (rows, 1), (1, columns), (rows, columns)]
        try:
            found = {size: task.encode(board[: size[0], : size[1]]).reshape(rows, columns) for size in sizes}
        except HRMDataError:
            found = {}
        if found:
            canvas = Canvas(int(found[1, 1][0, 1]), int(found[1, 1][-1, -1]))
            if all(np.array_equal(_on_canvas(canvas, token, size, (rows, columns)), it) for size, it in found.items()):
                return canvas
    return None


def _on_canvas(canvas: Canvas, token: int, size: tuple[int, int], whole: tuple[int, int]) -> np.ndarray:
    """Return the tokens of a board of one token on a canvas, as the page writes them."""
    height, width = size
    tokens = np.full((whole[0] + 1, whole[1] + 1), canvas.outside, np.int32)
    tokens[:height, :width] = token
    tokens[height, :width] = tokens[:height, width] = canvas.edge
    return tokens[:-1, :-1]


def _groups(task: Task) -> list[list[int]]:
    """Return for each kind of group besides rows and columns the group of each token."""
    board = task.geometry()
    return [list(group) for group in board.groups] if board else []
