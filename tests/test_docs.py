"""Every command and every block of code in the documentation runs, with settings that make it short."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "hitori"
installed = runpy.run_path(str(ROOT / "tests" / "own_puzzle.py"))["installed"]  # what docs/own-puzzle.md installs
running = runpy.run_path(str(ROOT / "tests" / "commands.py"))["running"]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("apps/*/README.md")),
]
NOT_TRAINING = {"--help", "--resume", "plot", "doctor", "import-checkpoint", "export-checkpoint"}
Run = Callable[[str, Path], subprocess.CompletedProcess[str]]
MADE = 100  # puzzles at most that `hrm-data build` makes here
AT_MOST = {"--max-steps": 32, "--time-limit": 1}  # what an untrained model would use up
SHORT_DATA = ["--data.train", "64", "--data.test", "24"]
SHORT = [
    *("--train.steps", "2", "--train.checkpoint_interval", "1", "--train.global_batch_size", "8"),
    *("--arch.hidden_size", "32", "--arch.num_heads", "2", "--arch.expansion", "2"),
    *("--arch.halt_max_steps", "2"),
]
# What is not run as it stands, and why.
ELSEWHERE = (
    "uv run pytest",  # these tests
    "pip install ",  # tests/ci/test_install.py reads these lines
    "uv run pre-commit",  # .ci/run
    "uv sync --group dev",  # .ci/run
    "export PATH=",  # .ci/fresh-machine
    "bash .ci/",  # .ci/run, and what it calls
    "uv pip install --no-deps --editable docs/examples/",  # tests/own_puzzle.py does so without a network
)
OTHER_HARDWARE = {"cuda.md", "distributed.md", "reproduce.md"}  # pages that say which of their lines no test runs


class Block(NamedTuple):
    """A fenced block: the page, what stands behind the fence, and the text."""

    page: Path
    info: str
    text: str


BLOCKS = [
    Block(page, info, text)
    for page in PAGES
    for info, text in re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
]


def lines_of(block: Block) -> list[str]:
    """The commands of a block of shell, without comments and what stands before `&&`."""
    text = block.text.replace("\\\n", "")
    lines = (re.split(r"(?:^|\s)#", line)[0].split("&&")[-1].strip() for line in text.splitlines())
    return [line for line in lines if line]


def documented() -> dict[Path, list[str]]:
    """The commands of each page in their order, without those that stand on a page before it."""
    known: set[str] = set()
    pages = {}
    for page in PAGES:
        found = [line for block in BLOCKS if (block.page, block.info) == (page, "sh") for line in lines_of(block)]
        found += re.findall(r"`(uv run [^`]+)`", page.read_text())
        pages[page] = [line for line in dict.fromkeys(found) if not line.startswith(ELSEWHERE) and line not in known]
        known.update(pages[page])
    return {page: lines for page, lines in pages.items() if lines}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def environment(root: Path) -> dict[str, str]:
    """The examples are installed; datasets in the cache are shared."""
    (root / "cache").mkdir()
    return installed(root / "site") | {"XDG_CACHE_HOME": str(root / "cache")}


@pytest.fixture(scope="module")
def run(environment: dict[str, str]) -> Iterator[Run]:
    """Run a command of a page in a folder."""
    with running(environment) as commands:

        def call(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
            before, _, after = command.partition("uv run ")
            words = shlex.split(after)
            if words[0] == "trainer" and not NOT_TRAINING & set(words):
                words += SHORT_DATA * ("--data-path" not in words) + SHORT
            if words[:2] == ["hrm-data", "build"]:
                words = [str(min(int(word), MADE)) if word.isdecimal() else word for word in words]
            for flag in AT_MOST.keys() & set(words):
                words[words.index(flag) + 1] = str(min(int(words[words.index(flag) + 1]), AT_MOST[flag]))
            words = [
                str(newest(folder, word.removesuffix("/NAME"))) if word.endswith("/NAME") else word for word in words
            ]
            if before:  # such as taskset
                words = [*shlex.split(before), str(Path(sys.executable).with_name(words[0])), *words[1:]]
            return commands.run(words, folder)

        yield call


@pytest.fixture(scope="module")
def first_run(root: Path, run: Run) -> Path:
    """A directory with one short run in it, as after the first command of the README."""
    path = root / "first"
    path.mkdir()
    (path / "tests").symlink_to(ROOT / "tests")
    shutil.copytree(ROOT / "docs", path / "docs", ignore=shutil.ignore_patterns("*.gif", "*.png", "*.svg"))
    (path / "puzzles.txt").write_text(
        "# 9x9\n..25.7.8...3.............6..17.38..4.9..54.....67....9.5..2.9.172..4.5.6.3.....4.\n"
    )
    finished = run("uv run trainer --dataset sudoku", path)
    assert finished.returncode == 0, finished.stderr
    return path


@pytest.fixture
def workplace(first_run: Path, tmp_path: Path) -> Path:
    """A copy for one test, so that no test finds the runs of another."""
    path = tmp_path / "docs"
    shutil.copytree(first_run, path, symlinks=True)
    return path


def train_hitori(run: Run, path: Path) -> None:
    """The run of the tutorial, which other pages use as well."""
    if not (path / "hitori-runs").exists():
        finished = run("uv run trainer --dataset hitori --data.size 4 --runs hitori-runs", path)
        assert finished.returncode == 0, finished.stderr


def newest(path: Path, runs: str = "runs") -> Path:
    return max((path / runs).iterdir())


def test_the_documentation_holds_commands_and_nothing_that_no_test_knows() -> None:
    lines = [line for found in documented().values() for line in found]
    assert "uv run trainer --dataset sudoku" in lines
    assert [line for line in lines if "uv run " not in line] == []
    kinds = {"bibtex", "sh", "python", "console", "yaml", "toml", 'python title="_task.py"'}
    diffs = 'diff title="packages/'  # applied by tests/test_variants_page.py
    others = (block for block in BLOCKS if not block.info.startswith(diffs))
    unknown = {(block.page.name, block.info) for block in others if block.info not in kinds}
    assert unknown == {(name, "text") for name in OTHER_HARDWARE}


@pytest.mark.slow
@pytest.mark.parametrize("page", documented(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page: Path, run: Run, workplace: Path) -> None:
    for command in documented()[page]:
        if command.startswith("uv run python tests/benchmarks/"):
            assert (ROOT / command.split()[3]).is_file()  # figures depend on the machine; too long for a test
            continue
        if command.startswith("taskset") and not shutil.which("taskset"):
            continue  # a command of Linux
        if "--runs hitori-runs" in command or "hitori-runs/NAME" in command:
            train_hitori(run, workplace)
        finished = run(command, workplace)
        may_be_wrong = command.startswith("uv run evaluator solve")  # so short a training solves no puzzle
        assert finished.returncode in ((0, 1) if may_be_wrong else (0,)), f"{command}: {finished.stderr}"
        assert "Traceback" not in finished.stderr


@pytest.mark.slow
def test_documented_python_runs(environment: dict[str, str], workplace: Path) -> None:
    """All blocks in one process, each with names of its own."""
    blocks = [block for block in BLOCKS if block.info == "python"]
    assert {"seeing.md", "data-arc.md", "migration.md", "attention.md", "variants.md"} <= {
        block.page.name for block in blocks
    }
    run_name = str(newest(workplace))
    texts = [(block.page.name, block.text.replace("runs/NAME", run_name)) for block in blocks]
    script = "\n".join(f"print({name!r}, flush=True)\nexec({text!r}, {{}})" for name, text in texts)
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=workplace, env=environment, capture_output=True, text=True, timeout=600
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.info == "console"], ids=lambda it: it.text[:40])
def test_a_session_shows_what_the_command_prints(block: Block, run: Run, workplace: Path) -> None:
    """Word for word where it does not depend on a trained model, else the words that stand first in its lines."""
    shown, _, told = block.text.removeprefix("$ ").partition("\n")
    if "data/hitori" in shown:
        run("uv run hrm-data build hitori --output data/hitori --size 4 --train 100 --test 20", workplace)
    finished = run(f"uv run {shown}", workplace)
    printed = finished.stdout + finished.stderr
    if shown.startswith("hrm-data") or "x8..4" in shown:
        for line, shown_line in zip(printed.splitlines(), told.splitlines(), strict=True):
            whole = not shown_line.endswith(" ...")
            assert line.rstrip() == shown_line if whole else line.startswith(shown_line.removesuffix(" ..."))
        return
    assert finished.returncode in (0, 1), finished.stderr
    headings = re.findall(
        r"^(?:puzzles|accuracy|exact accuracy|mean steps|steps  halted| *clues  puzzles|puzzle) ", told, re.M
    )
    assert [heading for heading in headings if not re.search(f"^{re.escape(heading)}", printed, re.M)] == []


def test_what_is_quoted_from_the_example_stands_there() -> None:
    [quoted] = [block for block in BLOCKS if block.info == 'python title="_task.py"']
    assert quoted.text in (EXAMPLE / "src" / "hrm_hitori" / "_task.py").read_text()
    [entry] = [tomllib.loads(block.text) for block in BLOCKS if block.info == "toml"]
    points = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    assert entry["project"]["entry-points"] == points


@pytest.mark.slow
def test_the_settings_file_that_is_shown_is_one(run: Run, workplace: Path) -> None:
    [block] = [block for block in BLOCKS if block.info == "yaml"]
    (workplace / "settings.yaml").write_text(block.text)
    finished = run("uv run trainer --config settings.yaml --runs shown", workplace)
    assert finished.returncode == 0, finished.stderr
