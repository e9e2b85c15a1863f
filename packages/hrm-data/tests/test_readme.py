from __future__ import annotations

import re
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
    for name in hrm_data.__all__:
        assert getattr(hrm_data, name).__doc__ or name in ("Augment", "Batch")
