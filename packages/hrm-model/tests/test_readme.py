import re
from pathlib import Path

import hrm_model
import pytest


def test_the_example_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = (Path(__file__).parents[1] / "README.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example
    exec(example[1], {})


def test_every_public_name_is_documented() -> None:
    assert not [name for name in hrm_model.__all__ if not getattr(hrm_model, name).__doc__]
