"""`verify` tries augmentation and symmetries on real examples; nothing is asked for where a label is ignored."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hrm_data import get_task, kept_cells, one_example_each, whole_solution, write_dataset
from hrm_data.cli import main
from hrm_data.dataset import find_faults

# A puzzle is three digits and a bar, and its answer the digits in reverse; nothing is asked for under the bar.
BACKWARDS = """
import numpy as np
from hrm_data import IGNORE, NoOptions, Symmetry, Task, TaskFamily, draw_grid
from pydantic import BaseModel

class Variation(BaseModel):
    extra: bool = False

class Backwards(Task):
    name, seq_len, vocab_size, kept_tokens = "backwards-3", 4, 6, (5,)
    def parse(self, text): return np.array(["?1234|".index(c) for c in text])
    def text(self, board): return "".join("?1234|"[cell] for cell in board.tolist())
    def encode(self, board): return board.astype(np.int32)
    def decode(self, tokens): return np.asarray(tokens)
    def check(self, puzzle, answer): return not self.explain(puzzle, answer)
    def explain(self, puzzle, answer):
        right = np.concatenate([puzzle[2::-1], puzzle[3:]])
        return {} if (answer == right).all() else {"is not backwards": answer != right}
    def render(self, board): return draw_grid(np.array([list(self.text(board))]))
    def to_json(self): return {"task": "backwards"}
    def augment(self, *, extra=False): return lambda *given: augmented(*given, extra)
    def symmetries(self, rng): return iter([Symmetry(apply, undo)])

def renamed(tokens, digits):
    return np.where((tokens > 0) & (tokens < 5), np.concatenate([[0], digits, [5]])[np.maximum(tokens, 0)], tokens)

def augmented(inputs, labels, rng, extra):
    digits = 1 + rng.permutation(4)
    return renamed(inputs, digits), renamed(labels, digits)

def apply(tokens): return renamed(tokens, np.array([2, 3, 4, 1])).astype(tokens.dtype)

def undo(tokens): return renamed(tokens, np.array([4, 1, 2, 3])).astype(tokens.dtype)
#CHANGED
BACKWARDS = TaskFamily(
    name="backwards", summary="Backwards.", options=NoOptions, build=None, task=lambda description: Backwards(),
    augmentation=Variation,
)
"""
numbers = itertools.count()
Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs the package, with code that replaces some of its own."""

    def one(changed: str = "") -> None:
        module = f"hrm_backwards_{next(numbers)}"
        (tmp_path / f"{module}.py").write_text(BACKWARDS.replace("#CHANGED", changed))
        info = tmp_path / "hrm_backwards-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hrm-backwards\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[hrm_data.tasks]\nbackwards = {module}:BACKWARDS\n")
        monkeypatch.syspath_prepend(tmp_path)

    return one


def made(root: Path, under_the_bar: int = 0) -> Path:
    """A dataset of 24 puzzles, in whose labels some token stands under the bar; 0 is ignored."""
    digits = np.array([[a, b, c] for a, b, c in itertools.permutations((1, 2, 3, 4), 3)])
    inputs = np.concatenate([digits, np.full((24, 1), 5)], axis=1)
    labels = np.concatenate([digits[:, ::-1], np.full((24, 1), under_the_bar)], axis=1)
    splits = {name: {"all": one_example_each(inputs, labels)} for name in ("train", "test")}
    return write_dataset(root, splits, vocab_size=6, seq_len=4, task={"task": "backwards"})


@pytest.mark.parametrize("label", [0, 5])  # ignored, or the bar itself
def test_a_right_augmentation_has_no_fault(install: Install, tmp_path: Path, label: int) -> None:
    install("")
    assert find_faults(made(tmp_path / "data", label)).faults == []


TURNED = "def augmented(inputs, labels, rng, extra): return inputs[:, [1, 0, 2, 3]], labels"
FAULTS = {
    TURNED: r"the augmentation turns example \d+ into the puzzle [1-4]{3}\|, whose label [1-4]{3}\| is not backwards",
    TURNED.replace("[1, 0, 2, 3]", "[1, 0, 2, 3] if extra else [0, 1, 2, 3]"): r"the augmentation with extra on turns",
    "def augmented(inputs, labels, rng, extra): return inputs, labels[:, :3]": r"returns labels of shape \(256, 3\); "
    r"expected \(256, 4\)",
    "def augmented(inputs, labels, rng, extra): return inputs + 1, labels": "returns inputs with 6; tokens are 0..5",
    "def augmented(inputs, labels, rng, extra): return inputs, labels + 101": r"returns labels with \d+; .* or -100",
    "def augmented(inputs, labels, rng, extra): return inputs / 2, labels": "returns inputs that are an array of float",
    "def augmented(inputs, labels, rng, extra): return list(inputs), labels": "returns inputs that are list; expected",
    "rest = np.random.default_rng(0)\n"
    "def augmented(inputs, labels, rng, extra):\n"
    "    digits = 1 + rest.permutation(4)\n"
    "    return renamed(inputs, digits), renamed(labels, digits)": "other puzzles when it is repeated",
    "def augmented(inputs, labels, rng, extra): raise KeyError(7)": r"augmentation fails \(KeyError: 7\); correct",
    "def apply(tokens): return tokens[..., [1, 0, 2, 3]]\n"
    "def undo(tokens): return apply(tokens)": r"a symmetry turns example \d+ into the puzzle .* is not backwards",
    "def undo(tokens): return apply(tokens)": r"a symmetry of example \d+ is not undone: [1-4]{3}\| becomes",
    "def undo(tokens):\n"
    "    assert (tokens[..., 3] == 5).all(), 'no bar'\n"
    "    return renamed(tokens, np.array([4, 1, 2, 3]))": r"a symmetry fails \(AssertionError: no bar\)",
}


@pytest.mark.parametrize(("changed", "fault"), FAULTS.items())
def test_a_wrong_augmentation_or_symmetry_is_named_with_puzzle_and_reason(
    install: Install, tmp_path: Path, changed: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(changed)
    root = made(tmp_path / "data")
    assert [found for found in find_faults(root).faults if re.search(fault, found)]
    assert main(["verify", str(root)]) == 1
    error = capsys.readouterr().err
    assert re.search(fault, error)
    assert "Traceback" not in error


def test_a_label_for_a_token_that_is_kept_is_a_fault(install: Install, tmp_path: Path) -> None:
    install("")
    faults = find_faults(made(tmp_path / "data", under_the_bar=3)).faults
    assert [fault for fault in faults if "example 0: position 3 has a token that every answer keeps" in fault]


def test_show_draws_the_puzzles_own_cell_where_nothing_is_asked_for(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("")
    assert main(["show", str(made(tmp_path / "data"))]) == 0
    shown = capsys.readouterr().out
    assert "3 of 4 tokens are asked for" in shown
    assert shown.splitlines()[-1] == "1 2 3 |    3 2 1 |"


def test_ignored_labels_show_the_puzzle_unless_all_are_or_they_lie_outside_of_the_solution(install: Install) -> None:
    install("")
    task = get_task("backwards")
    puzzle = np.array([1, 2, 3, 5])
    assert kept_cells(task, puzzle).tolist() == [False, False, False, True]
    assert kept_cells(task, puzzle, np.array([3, -100, 1, 5])).tolist() == [False, True, False, True]
    assert kept_cells(task, puzzle, np.full(4, -100)).tolist() == [False, False, False, True]
    assert whole_solution(task, puzzle, np.array([3, -100, 1, -100])).tolist() == [3, 2, 1, 5]
    assert kept_cells(None, puzzle, np.array([3, -100, 1, 5])).tolist() == [False, True, False, False]
    arc = get_task("arc1")
    grid, answer = arc.encode(np.full((3, 3), 4)), arc.encode(np.full((1, 2), 7))
    assert not kept_cells(arc, grid, np.where(answer == 0, -100, answer)).any()
    assert whole_solution(arc, grid, np.where(answer == 0, -100, answer)).tolist() == answer.tolist()
