"""Whoever follows docs/variants.md step by step gets a variant and a loss that train, and are compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "variants.md").read_text()
DIFFS = re.findall(r'^```diff title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
VARIANT, LOSS = "seeing", "focal_cross_entropy"


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}")[1].split("\n## ")[0]


def apply(diff: str, text: str) -> str:
    """Replace the lines with `-` or a space, which stand together in the text once, by those with `+` or a space."""
    lines = diff.splitlines()
    before, after = ("\n".join(line[1:] for line in lines if line[:1] in f" {mark}") for mark in "-+")
    assert text.count(before) == 1, before
    return text.replace(before, after)


def test_a_variant_takes_one_file_and_a_loss_two() -> None:
    assert {name for name, _ in DIFFS if name in section("A variant")} == {DIFFS[0][0]}
    assert len({name for name, _ in DIFFS if name in section("A loss")}) == 2
    assert all((ROOT / name).is_file() for name, _ in DIFFS)


@pytest.mark.slow
def test_what_the_page_adds_trains_resumes_and_is_compared(tmp_path: Path) -> None:
    for package in ("hrm-model", "hrm-train"):
        source = Path("packages", package, "src")
        shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, diff in DIFFS:
        (tmp_path / name).write_text(apply(diff, (tmp_path / name).read_text()))
    sources = os.pathsep.join(str(tmp_path / "packages" / name / "src") for name in ("hrm-model", "hrm-train"))
    # op by op: a compiler would take most of the time and change nothing
    environment = os.environ | {"PYTHONPATH": sources, "XDG_CACHE_HOME": str(tmp_path), "MLX_DISABLE_COMPILE": "1"}

    def call(name: str, *words: str) -> str:
        command = [str(Path(sys.executable).with_name(name)), *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert VARIANT in call("trainer", "--help-all")
    tiny = "--preset small-6x6 --data.box 2,2 --data.train 40 --data.test 8 --train.steps 4 --train.global_batch_size 8"
    tiny += " --arch.hidden_size 16 --arch.num_heads 2 --arch.halt_max_steps 2 --train.halt_warmup_steps 0"
    call("trainer", *tiny.split(), "--arch.variant", VARIANT, "--train.loss_type", LOSS)
    call("trainer", *tiny.split(), "--train.loss_type", LOSS)
    runs = sorted(str(path) for path in (tmp_path / "runs").iterdir())
    rows = call("evaluator", "compare", *runs).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [VARIANT, "hrm"]
