"""Hitori: boards survive tokens and text, puzzles have one solution, and so have their copies."""

import numpy as np
from hrm_hitori import HitoriTask, make_hitori
from hrm_hitori._make import count_solutions, smallest_copy
from hypothesis import given, settings
from hypothesis import strategies as st

boards = st.integers(3, 5).flatmap(lambda n: st.lists(st.integers(0, n), min_size=n * n, max_size=n * n))


@given(boards)
def test_hitori_boards_survive_tokens_and_text(cells: list[int]) -> None:
    size = int(len(cells) ** 0.5)
    board, task = np.array(cells).reshape(size, size), HitoriTask(size)
    assert (task.decode(task.encode(board)) == board).all()
    assert (task.parse(task.text(board)) == board).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 5), st.integers(0, 2**32))
def test_hitori_puzzles_have_one_solution_and_so_have_their_copies(size: int, seed: int) -> None:
    task, rng = HitoriTask(size), np.random.default_rng(seed)
    puzzle, solution = make_hitori(size, rng)
    assert task.check(puzzle, solution)
    assert count_solutions(puzzle) == 1
    tokens = [np.stack([task.encode(board)] * 4) for board in (puzzle, solution)]
    for one, two in zip(*task.augment()(*tokens, rng), strict=True):
        assert task.check(task.decode(one), task.decode(two))
        assert smallest_copy(task.decode(one)) == smallest_copy(puzzle)
    shaded = puzzle.copy()
    shaded.flat[int(np.flatnonzero(solution)[0])] = 0
    assert not task.check(puzzle, shaded)
