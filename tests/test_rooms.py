"""The rooms of the house: who may import whom, one sentence at every door, and one table that says where things are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {path.name: path for path in sorted(ROOT.glob("*/*/src/*")) if (path / "__init__.py").exists()}
MODULES = [path for source in SOURCES.values() for path in sorted(source.rglob("*.py"))]

# What each distribution may import of the others.
DISTRIBUTIONS = {
    "hrm_ops": set(),
    "hrm_data": set(),
    "hrm_model": {"hrm_ops"},
    "hrm_train": {"hrm_ops", "hrm_model"},
    "hrm_trainer": {"hrm_ops", "hrm_data", "hrm_model", "hrm_train"},
    "hrm_evaluator": {"hrm_ops", "hrm_data", "hrm_model", "hrm_train"},
}
# Rooms and single files from the bottom up. A file imports nothing that stands above its own line.
ROOMS = {
    "hrm_ops": [
        "_errors _first_order _fork _init _threads",
        "linux",
        "_layers _norm _rope _stablemax _swiglu",
        "_attention",
        "_block",
        "doctor",
        "__main__",
    ],
    "hrm_data": [
        "untrusted",
        "_errors _random _split terminal",
        "_progress",
        "_puzzle_set",
        "task symmetry sources",
        "dataset",
        "sudoku maze arc",
        "command_line",
        "commands",
        "cli",
    ],
    "hrm_model": [
        "untrusted",
        "_errors _geometry _variants",
        "_config",
        "_size",
        "blocks",
        "_model",
        "_halting",
        "_act _compiled",
        "inference",
        "_metrics",
        "weights",
        "reference",
    ],
    "hrm_train": ["_choices _errors _files", "_config", "ranks", "step", "checkpoint", "run"],
    "hrm_trainer": [
        "settings",
        "_data _plot _convert _resume",
        "_held_out",
        "_board",
        "_display",
        "_launch",
        "_run",
        "_subcommands",
        "_command_line",
        "cli",
        "__main__",
    ],
    "hrm_evaluator": [
        "_errors _output _templates",
        "shipped",
        "_settings",
        "loading puzzles answers",
        "scoring",
        "report",
        "_solver",
        "_load",
        "playground",
        "commands",
        "cli",
    ],
}


def name_of(path: Path) -> str:
    source = next(source for source in SOURCES.values() if path.is_relative_to(source))
    parts = path.relative_to(source.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


def imports_of(path: Path) -> Iterator[str]:
    """Modules of the workspace that a file imports, anywhere in it, also late and for types only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in SOURCES)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in SOURCES:
            assert node.level == 0
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in NAMES else node.module


def room_of(name: str) -> str:
    return [*name.split("."), ""][1]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_distribution_imports_only_those_below_it_and_only_what_they_name_as_public(distribution: str) -> None:
    for path in SOURCES[distribution].rglob("*.py"):
        for name in imports_of(path):
            owner, *rest = name.split(".")
            if owner != distribution:
                assert owner in DISTRIBUTIONS[distribution], f"{path} imports {name}"
                assert not any(part.startswith("_") and part != "__main__" for part in rest), f"{path} imports {name}"


def test_the_data_need_no_mlx() -> None:
    for path in SOURCES["hrm_data"].rglob("*.py"):
        assert not re.search(r"^\s*(import|from) mlx", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize("distribution", ROOMS)
def test_arrows_between_rooms_only_point_down(distribution: str) -> None:
    level = {name: number for number, line in enumerate(ROOMS[distribution]) for name in line.split()}
    rooms = {room_of(name_of(path)) for path in SOURCES[distribution].rglob("*.py")} - {""}
    assert rooms == set(level), "every room stands in the list once"
    for path in SOURCES[distribution].rglob("*.py"):
        own = room_of(name_of(path))
        if not own:  # what a package names as public
            continue
        for name in imports_of(path):
            other = room_of(name)
            if name.split(".")[0] == distribution and other and other != own:
                assert level[other] <= level[own], f"{path.relative_to(ROOT)} imports {name}, which stands above it"


def test_both_copies_of_what_reads_untrusted_text_are_equal() -> None:
    first, second = (SOURCES[name] / "untrusted.py" for name in ("hrm_data", "hrm_model"))
    assert first.read_text() == second.read_text()


def test_single_tasks_do_not_know_each_other() -> None:
    tasks = {"sudoku", "maze", "arc"}
    for task in sorted(tasks):
        for path in (SOURCES["hrm_data"] / task).rglob("*.py"):
            known = {room_of(name) for name in imports_of(path) if name.startswith("hrm_data.")}
            assert known & tasks <= {task}, path


def test_no_module_imports_itself_through_others() -> None:
    graph = {name_of(path): {n for n in imports_of(path) if n in NAMES} - {name_of(path)} for path in MODULES}
    roots = set(SOURCES)  # a package's list of public names is no arrow
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name not in done:
            for following in sorted(graph[name] - roots):
                visit(following, (*above, name))
            done.add(name)

    for name in sorted(set(graph) - roots):
        visit(name, ())


@pytest.mark.parametrize("distribution", SOURCES)
def test_nobody_imports_a_command_line(distribution: str) -> None:
    for path in SOURCES[distribution].rglob("*.py"):
        if path.name != "__main__.py":
            assert not [name for name in imports_of(path) if name.endswith((".cli", "hrm_trainer.__main__"))], path


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_begins_with_one_plain_sentence(path: Path) -> None:
    said = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
    assert said.endswith((".", ":")), f"{path.relative_to(ROOT)} begins with {said!r}"
    assert "``" not in said


ONCE = ("_vote", "_report", "_solver", "_arc", "_score", "_agreement", "_metrics")  # file names with one meaning
NEVER = ("_open", "_several", "_ahead", "_watch", "_cells", "_place", "_fill", "_dig", "_reference", "_gxx", "_cpu")
TYPES = ("Progress", "Preset", "Batch", "Split", "Report", "Position", "Findings", "Answer", "Solution")


@pytest.mark.parametrize("name", ONCE)
def test_a_file_name_stands_for_one_thing_in_the_whole_workspace(name: str) -> None:
    assert len([path for path in MODULES if path.stem == name]) <= 1


@pytest.mark.parametrize("name", NEVER)
def test_names_that_say_nothing_from_outside_are_gone(name: str) -> None:
    assert not [path for path in MODULES if path.stem == name]


@pytest.mark.parametrize("name", TYPES)
def test_a_type_name_stands_for_one_thing_in_the_whole_workspace(name: str) -> None:
    made = re.compile(rf"^(class {name}\b|{name}(: TypeAlias)? = )", re.MULTILINE)
    assert len([path for path in MODULES if made.search(path.read_text())]) <= 1


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda path: path.name)
def test_a_room_has_about_ten_files(source: Path) -> None:
    for folder in {path.parent for path in source.rglob("*.py")}:
        files = [path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
        assert len(files) <= 13, folder


TABLE = re.findall(r"^\| (.+\?) \| (.+) \|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)


def test_the_architecture_answers_where_things_are() -> None:
    assert len(TABLE) >= 30


@pytest.mark.parametrize(("question", "answer"), TABLE)
def test_every_file_that_the_architecture_names_exists(question: str, answer: str) -> None:
    folder = ROOT
    named = re.findall(r"`([^`]+)`", answer)
    assert named, question
    for name in named:  # the first one from the root, the others beside the one before or from its package
        package = next((parent for parent in folder.parents if parent.parent.name == "src"), folder)
        found = [base / name for base in (ROOT, folder.parent, package, package.parent) if (base / name).exists()]
        assert found, f"{question} {name}"
        folder = found[0]
