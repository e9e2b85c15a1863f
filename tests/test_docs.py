"""Every command in the documentation runs, with settings that make it short."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
installed = runpy.run_path(str(ROOT / "tests" / "own_puzzle.py"))["installed"]  # what docs/own-puzzle.md installs
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("ops/*.md")),
    *sorted(ROOT.glob("apps/*/README.md")),
]
NOT_TRAINING = {"--help", "--resume", "plot", "doctor", "import-checkpoint", "export-checkpoint"}
SHORT_DATA = ["--data.train", "200", "--data.test", "32"]
SHORT = [
    *("--train.steps", "4", "--train.global_batch_size", "16"),
    *("--arch.hidden_size", "32", "--arch.num_heads", "2", "--arch.expansion", "2"),
    *("--arch.halt_max_steps", "2"),
]
ELSEWHERE = ("pytest", "pre-commit")  # CI runs them as they stand


def commands(page: Path) -> list[str]:
    text = page.read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.split("#")[0].split("&&")[-1].strip() for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(uv run [^`]+)`", text)
    return [line.removeprefix("uv run ") for line in lines if line.startswith("uv run ")]


def documented() -> list[str]:
    found = dict.fromkeys(command for page in PAGES for command in commands(page))
    return [command for command in found if command.split()[0] not in ELSEWHERE]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one short run in it, as after the first command of the README."""
    path = tmp_path_factory.mktemp("docs")
    for name in ("tests", "docs"):
        (path / name).symlink_to(ROOT / name)
    (path / "puzzles.txt").write_text("# 6x6\n.4612512...44..25.2..64163......24.6\n")
    finished = run("trainer --dataset sudoku", path)
    assert finished.returncode == 0, finished.stderr
    return path


def run(command: str, path: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    if words[0] == "trainer" and not NOT_TRAINING & set(words):
        words += SHORT_DATA * ("--data-path" not in words) + SHORT
    words[0] = sys.executable if words[0] == "python" else str(Path(sys.executable).with_name(words[0]))
    environment = installed(path / "site") | {"XDG_CACHE_HOME": str(path / "cache")}
    return subprocess.run(words, cwd=path, env=environment, capture_output=True, text=True, timeout=600)


def test_the_documentation_holds_commands() -> None:
    assert "trainer --dataset sudoku" in documented()


@pytest.mark.slow
@pytest.mark.parametrize("command", documented())
def test_a_documented_command_runs(command: str, workplace: Path) -> None:
    if command.startswith("python tests/benchmarks/"):
        assert (ROOT / command.split()[1]).is_file()  # figures depend on the machine; too long for a test
        return
    finished = run(command, workplace)
    may_be_wrong = command.startswith("evaluator solve")  # so short a training solves no puzzle
    assert finished.returncode in ((0, 1) if may_be_wrong else (0,)), finished.stderr
    assert "Traceback" not in finished.stderr


PYTHON = [
    (page, block)
    for page in (ROOT / "docs" / "seeing.md", ROOT / "apps" / "evaluator" / "README.md")
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "block"), PYTHON)
def test_documented_python_runs(page: Path, block: str, workplace: Path) -> None:
    newest = max((workplace / "runs").iterdir())
    words = [sys.executable, "-c", block.replace("runs/NAME", str(newest))]
    finished = subprocess.run(words, cwd=workplace, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout
