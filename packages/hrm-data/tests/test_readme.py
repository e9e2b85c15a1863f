from __future__ import annotations

import inspect
import re
from functools import partial
from pathlib import Path

import hrm_data
import pytest


def test_the_example_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = (Path(__file__).parents[1] / "README.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example
    exec(example[1], {})
    assert list(tmp_path.glob("*/sudoku-6x6/train/dataset.json"))


def test_every_public_name_exists_and_is_documented() -> None:
    rooms = [value for value in map(partial(getattr, hrm_data), hrm_data.__all__) if inspect.ismodule(value)]
    assert len(rooms) == 8
    for room in (hrm_data, *rooms):
        for name in room.__all__:
            assert getattr(room, name).__doc__ or name in ("Augment", "NumpyBatch", "Spelling", "Split")
