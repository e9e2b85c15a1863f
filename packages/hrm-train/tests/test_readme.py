"""The README's example, and the documentation of public names."""

import re
from pathlib import Path

import hrm_train
import pytest


def test_the_example_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = (Path(__file__).parents[1] / "README.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example
    exec(example[1], {})


def test_every_public_name_is_documented() -> None:
    undocumented = {name for name in hrm_train.__all__ if not getattr(hrm_train, name).__doc__}
    assert undocumented == {"LossFunction", "LossType", "WandbMode"}  # an alias cannot have a docstring
