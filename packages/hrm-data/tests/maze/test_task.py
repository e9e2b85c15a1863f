from __future__ import annotations

import re
from collections import deque

import numpy as np
import pytest
from hrm_data import HRMDataError, get_task
from hrm_data.maze import MazeTask, generate_mazes
from hrm_data.maze._generate import wall_keys
from hrm_data.symmetry import DihedralAugment
from hrm_data.symmetry._dihedral import INVERSE, TRANSFORMS, cell_maps, dihedral
from hypothesis import given, settings
from hypothesis import strategies as st

WALL, SPACE, START, GOAL, PATH = range(1, 6)
SMALL = generate_mazes(16, 6, seed=1)
LINES = ["S #  ", "  # #", "#   #", "  # G", "#    "]


def beside(cell: tuple[int, int], n: int) -> list[tuple[int, int]]:
    row, col = cell
    four = [(row - 1, col), (row, col - 1), (row, col + 1), (row + 1, col)]
    return [(r, c) for r, c in four if 0 <= r < n and 0 <= c < n]


def slow_distances(free: np.ndarray, start: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Breadth-first search in one maze, a cell at a time."""
    found, queue = {start: 0}, deque([start])
    while queue:
        cell = queue.popleft()
        for other in beside(cell, len(free)):
            if free[other] and other not in found:
                found[other] = found[cell] + 1
                queue.append(other)
    return found


def only(board: np.ndarray, code: int) -> tuple[int, int]:
    (place,) = np.argwhere(board == code).tolist()
    return tuple(place)


def slow_check(puzzle: np.ndarray, answer: np.ndarray) -> bool:
    """Walk along the path from the start; it must have no side branches and be as short as any."""
    same = np.where((answer == PATH) & (puzzle == SPACE), SPACE, answer)
    if not (same == puzzle).all():
        return False
    start, goal = only(puzzle, START), only(puzzle, GOAL)
    best = slow_distances(puzzle != WALL, start).get(goal)
    on_path = (answer == PATH) | (answer == START) | (answer == GOAL)
    return best is not None and on_path.sum() == best + 1 and slow_distances(on_path, start).get(goal) == best


def shortest_paths(puzzle: np.ndarray) -> int:
    """How many shortest paths there are."""
    free, start, goal = puzzle != WALL, only(puzzle, START), only(puzzle, GOAL)
    away = slow_distances(free, start)
    ways = {start: 1}
    for cell in sorted(away, key=away.__getitem__):
        if cell != start:
            ways[cell] = sum(ways[b] for b in beside(cell, len(free)) if away.get(b) == away[cell] - 1)
    return ways[goal]


@pytest.mark.parametrize(("size", "length", "count"), [(30, None, 12), (8, None, 60), (5, 9, 20), (33, 40, 4)])
@pytest.mark.parametrize("unique", [False, True])
def test_generated_mazes_carry_a_shortest_path_of_the_length_asked_for(
    size: int, length: int | None, count: int, unique: bool
) -> None:
    mazes = generate_mazes(count, size, min_length=length, unique=unique, seed=3)
    least = length or {30: 111, 8: 8}[size]
    assert mazes.puzzles.shape == mazes.answers.shape == (count, size, size)
    for puzzle, answer, moves in zip(*mazes, strict=True):
        assert slow_check(puzzle, answer)
        assert moves == slow_distances(puzzle != WALL, only(puzzle, START))[only(puzzle, GOAL)] >= least
        assert PATH not in puzzle
        if unique:
            assert shortest_paths(puzzle) == 1


def test_the_path_goes_up_then_left_then_right_then_down_where_it_may() -> None:
    for puzzle, answer, moves in zip(*generate_mazes(30, 10, seed=5), strict=True):
        to_goal = slow_distances(puzzle != WALL, only(puzzle, GOAL))
        cell, path = only(puzzle, START), []
        for left in range(int(moves), 0, -1):
            cell = next(b for b in beside(cell, 10) if to_goal.get(b) == left - 1)
            path.append(cell)
        assert sorted(path[:-1]) == sorted(tuple(p) for p in np.argwhere(answer == PATH).tolist())


def test_the_same_seed_gives_the_same_mazes_whatever_their_number() -> None:
    few, many = generate_mazes(20, 9, seed=4), generate_mazes(2100, 9, seed=4)
    assert all((a == b[:20]).all() for a, b in zip(few, many, strict=True))
    assert not (generate_mazes(20, 9, seed=5).puzzles == few.puzzles).all(axis=(1, 2)).any()
    assert len(generate_mazes(0, 9).puzzles) == 0


def test_no_two_mazes_have_the_same_walls_however_turned_or_mirrored() -> None:
    mazes = generate_mazes(400, 4, min_length=4)
    walls = [{dihedral(puzzle == WALL, k).tobytes() for k in range(TRANSFORMS)} for puzzle in mazes.puzzles]
    assert len(set().union(*map(frozenset, walls))) == sum(map(len, walls))


def test_hard_mazes_look_like_the_published_ones() -> None:
    """Between 30 and 50 percent walls (Lehnert et al., arXiv 2402.14083), start and goal anywhere."""
    mazes = generate_mazes(40)
    share = (mazes.puzzles == WALL).mean(axis=(1, 2))
    assert share.min() > 0.25
    assert share.max() < 0.5
    starts = np.argwhere(mazes.puzzles == START)[:, 1:]
    assert (starts.max(axis=0) - starts.min(axis=0) > 15).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 5, "min_length": 111}, "at most 26 moves; ask for shorter paths or larger mazes"),
        ({"size": 5, "min_length": 20}, "only 0 of 3 different mazes of 5x5 .* where the longest had"),
        ({"size": 4, "count": 10**6, "min_length": 10}, r"only \d+ of 1000000 different mazes"),
        ({"size": 3}, "size is 3"),
        ({"size": 65}, "size is 65"),
        ({"count": -1}, "neither may be negative"),
        ({"seed": -1}, "neither may be negative"),
        ({"min_length": 0}, "min_length is 0"),
    ],
)
def test_what_cannot_be_had_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        generate_mazes(**{"count": 3, **arguments})


@st.composite
def mazes_and_answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A small maze with any answer, often nearly right."""
    n = draw(st.integers(4, 6))
    puzzle = np.array(draw(st.lists(st.sampled_from([WALL, SPACE, SPACE]), min_size=n * n, max_size=n * n)), np.uint8)
    start, goal = draw(st.lists(st.integers(0, n * n - 1), min_size=2, max_size=2, unique=True))
    puzzle[start], puzzle[goal] = START, GOAL
    puzzle = puzzle.reshape(n, n)
    answer, cell = puzzle.copy(), divmod(start, n)
    to_goal = slow_distances(puzzle != WALL, divmod(goal, n))
    while to_goal.get(cell, 0) > 1:
        nearer = [b for b in beside(cell, n) if to_goal.get(b, -1) == to_goal[cell] - 1]
        cell = draw(st.sampled_from(nearer))
        answer[cell] = PATH
    for place in draw(st.lists(st.integers(0, n * n - 1), max_size=2)):
        answer.flat[place] = draw(st.integers(0, 5))
    return puzzle, answer


@settings(deadline=None)
@given(mazes_and_answers())
def test_any_shortest_path_is_right_and_nothing_else(case: tuple[np.ndarray, np.ndarray]) -> None:
    puzzle, answer = case
    task = MazeTask(len(puzzle))
    right = slow_check(puzzle, answer)
    assert task.check(puzzle, answer) == right
    assert (task.problem(puzzle, answer) == "") == right
    assert task.check_all(puzzle.reshape(1, -1), answer.reshape(1, -1)).tolist() == [right]
    solvable = only(puzzle, GOAL) in slow_distances(puzzle != WALL, only(puzzle, START))
    if solvable:
        assert (task.explain(puzzle, answer) == {}) == right


def test_other_shortest_paths_than_the_marked_one_are_accepted() -> None:
    task = MazeTask(4)
    puzzle = task.parse("S   \n    \n    \n   G")
    for text in ("Sooo\n   o\n   o\n   G", "S   \no   \no   \noooG", "Soo \n  o \n  oo\n   G"):
        assert task.check(puzzle, task.parse(text))


@pytest.mark.parametrize(
    ("answer", "problem", "fault"),
    [
        (LINES, "does not lead from start to goal", "leaves the path broken"),
        (["So#  ", " o# #", "#o  #", " o#oG", "#oo  "], "does not lead", "leaves the path broken"),
        (["So#  ", " o# #", "#o  #", " o# G", "#oooo"], "takes 9 moves, a shortest path takes 7", "takes more"),
        (["So#  ", " oo #", "#   #", "  # G", "#    "], "row 2, column 3 is a wall .* on the path", "changes the maze"),
        (["So#  ", "S # #", "#   #", "  # G", "#    "], "row 2, column 1 is free .* the start", "changes the maze"),
        (["So#  ", " o# #", "#ooo#", " o#oG", "#    "], "7 cells are marked, a shortest path has 6", "takes more"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(answer: list[str], problem: str, fault: str) -> None:
    task = MazeTask(5)
    puzzle, board = task.parse("\n".join(LINES)), task.parse("\n".join(answer))
    assert re.search(problem, task.problem(puzzle, board))
    faults = task.explain(puzzle, board)
    assert any(name.startswith(fault) for name in faults)
    assert all(where.shape == (25,) and where.any() for where in faults.values())


boards = st.integers(4, 9).flatmap(
    lambda n: st.lists(st.integers(1, 5), min_size=n * n, max_size=n * n).map(
        lambda cells: np.array(cells, np.uint8).reshape(n, n)
    )
)


@settings(deadline=None)
@given(boards)
def test_text_and_tokens_lead_back_to_the_board(board: np.ndarray) -> None:
    task = MazeTask(len(board))
    tokens = task.encode(board)
    assert tokens.shape == (task.seq_len,)
    assert tokens.dtype == np.int32
    assert (task.decode(tokens) == board).all()
    text = task.text(board)
    assert (task.parse(text) == board).all()
    rows = [text[i : i + task.size] for i in range(0, task.seq_len, task.size)]
    assert (task.parse("\n".join(rows) + "\n") == board).all()
    assert (task.parse("\r\n".join(row + "  " for row in rows)) == board).all()
    short = [row.rstrip() for row in rows]
    if short != rows:
        with pytest.raises(HRMDataError, match=r"line \d+ of the maze has \d+ characters"):
            task.parse("\n".join(short))
    picture = task.render(board)
    assert str(picture).replace(".", " ").split("\n") == ([" ".join(row) for row in rows])
    assert "".join(picture.symbol(i) for i in range(task.seq_len)).replace(".", " ") == text


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=16, max_size=16))
def test_any_tokens_can_be_decoded_shown_and_checked(tokens: list[int]) -> None:
    task = MazeTask(4)
    board = task.decode(np.array(tokens))
    assert len(task.text(board)) == 16
    assert len(task.render(board).lines) == 4
    puzzle = task.parse("S  #\n # #\n   G\n    ")
    assert not task.check(puzzle, board) or "o" in task.text(board)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S  G", "1 lines, the first with 4 characters; maze-5x5 has 5 lines of 5 characters, or all 25 in one line"),
        ("S  G \n\n\n", "1 lines"),
        ("S  G x\n\n\n\n#", "line 1 of the maze has 6 characters"),
        ("S  G \n  x  \n     \n     \n#    ", "character 'x' at row 2, column 3"),
        ("S  G \n  #\n     \n     \n     ", "line 2 of the maze has 3 characters; maze-5x5 has 5; write free cells"),
    ],
)
def test_text_that_is_no_maze_is_named(text: str, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        MazeTask(5).parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SS G" + " " * 12, r"2 starts \(S\); it needs one"),
        ("S   " + " " * 12, r"0 goals \(G\)"),
        ("SooG" + " " * 12, "row 1, column 2 of the maze is path"),
        ("S##G###" + " " * 9, "no way from start to goal"),
    ],
)
def test_a_maze_that_cannot_be_solved_is_named(text: str, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        MazeTask(4).check_puzzle(MazeTask(4).parse(text))


def test_boards_of_another_shape_or_content_are_refused() -> None:
    task = MazeTask(4)
    for board in (np.ones((5, 5), int), np.ones((4, 4)), np.full((4, 4), 6), np.full((4, 4), -1)):
        with pytest.raises(HRMDataError, match="board"):
            task.encode(board)
    with pytest.raises(HRMDataError, match="tokens"):
        task.decode(np.ones((4, 4), int))
    for size in (3, 65, True, 5.0, None):
        with pytest.raises(HRMDataError, match="size is"):
            MazeTask(size)


def test_the_task_is_found_by_what_it_writes() -> None:
    task = MazeTask(12)
    assert get_task(task.to_json()) == task
    assert get_task("maze") == MazeTask(30)
    assert (task.name, task.seq_len, task.vocab_size) == ("maze-12x12", 144, 6)
    assert task.measure(generate_mazes(1, 12).puzzles[0])[0] == "moves"


@settings(deadline=None)
@given(boards, st.integers(0, 7))
def test_a_transform_and_its_inverse_cancel(board: np.ndarray, k: int) -> None:
    assert (dihedral(dihedral(board, k), INVERSE[k]) == board).all()
    assert (board.ravel()[cell_maps(len(board))[k]].reshape(board.shape) == dihedral(board, k)).all()


def test_the_transforms_are_the_eight_symmetries_of_a_square() -> None:
    corners = {tuple(cell_maps(3)[k]) for k in range(TRANSFORMS)}
    assert len(corners) == 8
    composed = {tuple(np.array(a)[list(b)]) for a in corners for b in corners}
    assert composed == corners


@settings(deadline=None)
@given(boards, st.integers(0, 7))
def test_no_transform_changes_the_key_of_the_walls(board: np.ndarray, k: int) -> None:
    assert wall_keys(board[None])[0] == wall_keys(dihedral(board, k)[None])[0]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_augmented_mazes_stay_solved_and_are_one_of_eight(seed: int) -> None:
    mazes, task = SMALL, MazeTask(6)
    inputs, labels = (boards.reshape(16, 36).astype(np.int32) for boards in mazes[:2])
    before = inputs.copy()
    new_inputs, new_labels = DihedralAugment(6)(inputs, labels, np.random.default_rng(seed))
    assert (inputs == before).all()
    for old, puzzle, answer in zip(mazes.puzzles, new_inputs, new_labels, strict=True):
        assert any((dihedral(old, k).ravel() == puzzle).all() for k in range(8))
        assert task.check(task.decode(puzzle), task.decode(answer))


def test_augmentation_draws_all_eight_and_checks_shapes() -> None:
    inputs = np.tile(np.arange(16, dtype=np.int32), (400, 1))
    moved, _ = DihedralAugment(4)(inputs, inputs, np.random.default_rng(0))
    counts = np.unique(moved, axis=0, return_counts=True)[1]
    assert len(counts) == 8
    assert counts.min() > 20
    with pytest.raises(HRMDataError, match=r"\[B, 16\]"):
        DihedralAugment(4)(inputs[:, :9], inputs[:, :9], np.random.default_rng(0))
    assert MazeTask(4).augment() is None
    assert isinstance(MazeTask(4).augment(turn=True), DihedralAugment)
