"""The fuzzer of all readers in its short form; `uv run python tests/fuzz --minutes 60` is the long one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parent / "fuzz"
KINDS = ("weights", "checkpoints", "torch", "datasets", "arc", "configurations", "puzzles", "commands")


def test_damaged_files_of_every_kind_raise_only_errors_of_ours(tmp_path: Path) -> None:
    words = ["--minutes", "0.2", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, str(FUZZ), *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\w+): \d+ damaged files were read$", done.stdout, re.MULTILINE) == list(KINDS)
    assert "nothing was found" in done.stdout


def test_the_fuzzer_itself_notices_a_fault(tmp_path: Path) -> None:
    broken = (FUZZ / "readers.py").read_text().replace("text) > 2100", "text) > 0")
    copy = tmp_path / "fuzz"
    copy.mkdir()
    (copy / "readers.py").write_text(broken.replace("Path(__file__).parents[2]", f"Path({str(FUZZ.parents[1])!r})"))
    for name in ("damage.py", "__main__.py"):
        (copy / name).write_text((FUZZ / name).read_text())
    words = ["--minutes", "0.05", "--only", "weights", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, str(copy), *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "failed: weights" in done.stdout
    assert list((tmp_path / "build" / "fuzz" / "weights").iterdir())
