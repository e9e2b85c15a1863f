"""Independent, slow and simple versions of what the package does fast."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hrm_data import Dataset, PuzzleSet, one_example_each, open_dataset, write_dataset
from hrm_data.sudoku import generate_sudoku
from hypothesis import settings

# A machine that does other work may stop any test for seconds: that is no fault.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def units(box: tuple[int, int]) -> list[list[int]]:
    """Cells of every row, column and box, by a loop over cells."""
    r, c = box
    n = r * c
    found: dict[tuple[str, int], list[int]] = {}
    for cell in range(n * n):
        row, col = cell // n, cell % n
        for key in (("row", row), ("col", col), ("box", row // r * n + col // c)):
            found.setdefault(key, []).append(cell)
    return list(found.values())


@pytest.fixture(scope="session")
def board_units() -> Callable[[tuple[int, int]], list[list[int]]]:
    return units


@pytest.fixture(scope="session")
def all_4x4() -> np.ndarray:
    """The 288 completed boards, found by trying every combination of rows."""
    rows = list(permutations(range(1, 5)))
    grids = [sum(four, ()) for four in product(rows, repeat=4) if len({r[0] for r in four}) == 4]
    good = [g for g in grids if all(len({g[cell] for cell in unit}) == 4 for unit in units((2, 2)))]
    return np.array(good, np.uint8)


def _singles(grid: np.ndarray, box: tuple[int, int]) -> bool:
    """Whether naked and hidden singles solve one board, one placement at a time."""
    n = box[0] * box[1]
    lines = units(box)
    peers = [{c for unit in lines if cell in unit for c in unit} - {cell} for cell in range(n * n)]
    cells = [int(d) for d in grid]
    while True:
        options = [
            {cells[i]} if cells[i] else set(range(1, n + 1)) - {cells[p] for p in peers[i]} for i in range(n * n)
        ]
        places = [(i, d) for i in range(n * n) if not cells[i] and len(options[i]) == 1 for d in options[i]]
        for unit in lines:
            for digit in range(1, n + 1):
                spots = [i for i in unit if digit in options[i]]
                if len(spots) == 1 and not cells[spots[0]]:
                    places.append((spots[0], digit))
        if not places:
            return 0 not in cells
        cells[places[0][0]] = places[0][1]


@pytest.fixture(scope="session")
def singles_solve() -> Callable[[np.ndarray, tuple[int, int]], bool]:
    return _singles


def _move(grids: np.ndarray, box: tuple[int, int], seed: int) -> np.ndarray:
    """One random symmetry of Sudoku, the same for all grids `[N, n * n]`, composed step by step."""
    r, c = box
    n = r * c
    rng = np.random.default_rng(seed)
    boards = grids.reshape(-1, n, n)
    digits = np.concatenate([[0], rng.permutation(n) + 1])
    boards = digits[boards]
    rows = [band * r + i for band in rng.permutation(n // r) for i in rng.permutation(r)]
    cols = [stack * c + i for stack in rng.permutation(n // c) for i in rng.permutation(c)]
    boards = boards[:, rows][:, :, cols]
    if r == c and rng.integers(2):
        boards = boards.transpose(0, 2, 1)
    return boards.reshape(len(grids), n * n)


@pytest.fixture(scope="session")
def move() -> Callable[[np.ndarray, tuple[int, int], int], np.ndarray]:
    return _move


@pytest.fixture(scope="session")
def sudoku(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of 4x4 boards: 50 to train, 11 to test."""
    root = tmp_path_factory.mktemp("data") / "sudoku"
    splits = {}
    for split, count in (("train", 50), ("test", 11)):
        made = generate_sudoku(count, (2, 2), kind="any", clues=(4, 9), split=split, seed=3)
        splits[split] = {"all": one_example_each(made.puzzles + 1, made.solutions + 1)}
    return write_dataset(root, splits, vocab_size=6, seq_len=16, task={"task": "sudoku", "box": [2, 2]})


@pytest.fixture(scope="session")
def ragged(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two sets with puzzles and groups of different sizes; the tokens of an example spell its number."""
    root = tmp_path_factory.mktemp("data") / "ragged"
    rng = np.random.default_rng(0)
    sets = {}
    for name, groups in (("one", 9), ("two", 5)):
        puzzles_in = rng.integers(1, 4, groups)
        examples_in = rng.integers(1, 6, puzzles_in.sum())
        total = examples_in.sum()
        number = np.arange(total)
        tokens = np.stack([np.full(total, len(sets) + 2), number // 10 + 2, number % 10 + 2], axis=1)
        sets[name] = PuzzleSet(
            tokens,
            np.where(tokens % 3 == 0, 0, tokens),
            np.arange(1, len(examples_in) + 1),
            np.concatenate([[0], np.cumsum(examples_in)]),
            np.concatenate([[0], np.cumsum(puzzles_in)]),
        )
    most = max(item.puzzles for item in sets.values())
    names = ["<blank>", *(f"p{i}" for i in range(most))]
    write_dataset(root, {"train": sets}, vocab_size=14, seq_len=3, identifiers=names)
    return open_dataset(root, "train")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("a small file system needs the command mount")
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


ARC_TASKS: dict[str, dict] = {
    "training/flip.json": {
        "train": [
            {"input": [[1, 0, 0]], "output": [[0, 0, 1]]},
            {"input": [[2, 2, 0], [0, 3, 0]], "output": [[0, 2, 2], [0, 3, 0]]},
            {"input": [[4, 5]], "output": [[5, 4]]},
        ],
        "test": [{"input": [[6, 7, 8]], "output": [[8, 7, 6]]}],
    },
    "training/wide.json": {
        "test": [{"input": [[7] * 30] * 2, "output": [[3] * 30] * 30}],
        "train": [{"input": [[1, 2, 3]] * 30, "output": [[3]]}, {"input": [[5] * 9] * 4, "output": [[5, 6]]}],
    },
    "evaluation/count.json": {
        "train": [
            {"input": [[1, 0], [0, 1]], "output": [[2]]},
            {"input": [[1, 0, 0], [0, 0, 0]], "output": [[1]]},
        ],
        "test": [
            {"input": [[1, 1], [0, 1]], "output": [[3]]},
            {"input": [[1, 1], [1, 1]], "output": [[4]]},
        ],
    },
    # One colour, and the same from all sides: nine copies differ, the original among them.
    "evaluation/plain.json": {
        "train": [{"input": [[4]], "output": [[4, 4], [4, 4]]}],
        "test": [{"input": [[4]], "output": [[4, 4], [4, 4]]}],
    },
    "corpus/Above/Above1.json": {
        "train": [{"input": [[1], [9]], "output": [[1]]}],
        "test": [
            {"input": [[8], [1]], "output": [[8]]},
            {"input": [[2], [3]], "output": [[2]]},
            {"input": [[5], [6]], "output": [[5]]},
        ],
    },
}


@pytest.fixture(scope="session")
def arc_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of five small ARC tasks: two training, two evaluation, one concept."""
    root = tmp_path_factory.mktemp("arc")
    for name, task in ARC_TASKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(task))
    return root
