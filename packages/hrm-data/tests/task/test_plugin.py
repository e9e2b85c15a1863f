"""Tasks of other packages: whole ones are found by name, half-written ones are refused by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hrm_data import HRMDataError, Task, get_family, get_task
from hrm_data.cli import main

TOY = '''
"""A made-up puzzle: copy a board of 2x2 digits."""
import numpy as np
from hrm_data import NoOptions, Task, TaskFamily, draw_grid

class Whole(Task):
    name, seq_len, vocab_size = "toy-2x2", 4, 5
    def parse(self, text): return np.array([int(c) for c in text]).reshape(2, 2)
    def text(self, board): return "".join(map(str, board.ravel().tolist()))
    def encode(self, board): return board.ravel().astype(np.int32) + 1
    def decode(self, tokens): return np.maximum(np.asarray(tokens) - 1, 0).reshape(2, 2)
    def check(self, puzzle, answer): return bool((puzzle == answer).all())
    def render(self, board): return draw_grid(board.astype(str))
    def to_json(self): return {"task": "toy"}

def make(description):
    kept = {key: value for key, value in vars(Whole).items() if key not in MISSING and not key.startswith("_")}
    return type("Toy", (Task,), kept)()

TOY = TaskFamily(name="toy", summary="A made-up puzzle.", options=NoOptions, build=None, task=make)
'''
REQUIRED = ["name", "seq_len", "vocab_size", "parse", "text", "encode", "decode", "check", "render", "to_json"]
numbers = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a package whose task lacks some members."""

    def one(*missing: str, source: str = TOY) -> None:
        module = f"hrm_toy_{next(numbers)}"  # what was imported once stays in sys.modules
        (tmp_path / f"{module}.py").write_text(f"MISSING = {missing!r}\n{source}")
        info = tmp_path / "hrm_toy-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hrm-toy\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[hrm_data.tasks]\ntoy = {module}:TOY\n")
        monkeypatch.syspath_prepend(tmp_path)

    return one


def test_a_whole_task_of_another_package_is_found(install: Callable[..., None]) -> None:
    install()
    assert get_family("toy").name == "toy"
    assert isinstance(get_task("toy"), Task)
    assert get_task({"task": "toy"}).text(np.array([[1, 2], [3, 1]])) == "1231"


@pytest.mark.parametrize("member", REQUIRED)
def test_a_task_that_lacks_a_member_is_refused_when_its_family_is_loaded(
    install: Callable[..., None], member: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(member)
    with pytest.raises(HRMDataError, match=rf"task 'toy', hrm_toy_\d+:TOY of hrm-toy 1\.0.* Toy .*\b{member}\b"):
        get_family("toy")
    assert main(["build", "toy", "--output", str(tmp_path / "data")]) == 2
    assert member in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_all_missing_methods_are_named_at_once(install: Callable[..., None]) -> None:
    install("encode", "check")
    with pytest.raises(HRMDataError, match=r"Toy .*check.*encode"):
        get_task("toy")


def test_a_task_that_is_no_task_is_refused(install: Callable[..., None]) -> None:
    install(source=TOY.replace("(Task,), kept", "(), kept"))
    with pytest.raises(HRMDataError, match="makes Toy, which is no subclass of Task"):
        get_family("toy")


def test_a_family_that_lacks_a_member_is_refused(install: Callable[..., None]) -> None:
    install(source=TOY.replace(", task=make", ""))
    with pytest.raises(HRMDataError, match=r"cannot be imported \(TypeError: TaskFamily.*'task'"):
        get_family("toy")
