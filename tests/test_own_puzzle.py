"""A task of another package goes through every command, and nobody has heard of it before."""

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from hrm_data import task_names

ROOT = Path(__file__).parents[1]
own_puzzle = runpy.run_path(str(ROOT / "tests" / "own_puzzle.py"))
running = runpy.run_path(str(ROOT / "tests" / "commands.py"))["running"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def environment(place: Path) -> dict[str, str]:
    """With the examples installed."""
    return {**own_puzzle["installed"](place / "site"), "XDG_CACHE_HOME": str(place / "cache")}


@pytest.fixture(scope="module")
def run(place: Path, environment: dict[str, str]):
    """Run a command of the workspace in an empty directory."""
    with running(environment) as commands:
        yield lambda command: commands.run(command.split(), place)


def started(command: str, place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start a command in another environment."""
    name, *words = command.split()
    words = [str(Path(sys.executable).with_name(name)), *words]
    return subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, timeout=600)


def test_the_commands_build_train_on_score_and_solve_a_puzzle_of_another_package(run, place: Path) -> None:
    built = run("hrm-data build hitori --output made --size 4 --train 60 --test 12")
    assert (built.returncode, built.stderr) == (0, "")
    assert re.search(r"^task +hitori$", built.stdout, re.MULTILINE)
    assert (
        run("hrm-data verify made").stdout == "made: 72 examples in train, test are in order; every solution is right\n"
    )
    assert "#" in run("hrm-data show made").stdout

    tiny = (
        "--train.steps 4 --train.global_batch_size 16 --arch.hidden_size 32 --arch.num_heads 2 "
        "--arch.halt_max_steps 2 --preset small"
    )
    trained = run(f"trainer --data-path made --no-data.turn {tiny} --runs given")
    assert (trained.returncode, trained.stderr) == (0, "")
    assert "cells wrong" in trained.stdout
    cached = run(f"trainer --dataset hitori --data.size 4 --data.train 40 --data.test 8 {tiny}")
    assert (cached.returncode, cached.stderr) == (0, "")
    again = run(f"trainer --dataset hitori --data.size 4 --data.train 40 --data.test 8 {tiny} --runs again")
    assert "Making the dataset" in cached.stdout
    assert "Making the dataset" not in again.stdout
    assert "5x5 Hitori" in " ".join(again.stdout.replace("│", " ").split())  # the panel breaks its lines

    scored = run("evaluator")
    assert scored.returncode == 0, scored.stderr
    assert "exact accuracy" in scored.stdout
    assert "prediction" in scored.stdout
    (puzzle, *_) = json.loads(run("evaluator --json").stdout)["boards"]
    solved = run(f"evaluator solve {puzzle['puzzle']} --json")
    assert solved.returncode in (0, 1), solved.stderr
    found = json.loads(solved.stdout)
    assert (len(found["answer"]), found["valid"]) == (16, not found["faults"])
    assert "the puzzle has 2 characters" in run("evaluator solve 12").stderr

    drawn = run("evaluator playground page.html --runs runs --puzzles 3")
    assert drawn.returncode == 0, drawn.stderr
    text = (place / "page.html").read_text()
    [shown] = json.loads(re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0])
    board = shown["board"]
    assert (board["rows"], board["columns"], board["blank"]) == (4, 4, None)  # no cell can be empty
    assert board["typed"] == {"1": 2, "2": 3, "3": 4, "4": 5}
    assert board["glyphs"] == ["#", "#", "1", "2", "3", "4"]
    assert len(shown["examples"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "structure", "token"), [("futoshiki", "<>^v.", 8), ("binairo", "", None)], ids=["futoshiki", "binairo"]
)
def test_the_other_examples_go_through_the_commands(
    run, place: Path, name: str, structure: str, token: int | None
) -> None:
    """What stands between cells is the puzzle's own on every board, however little the model has learnt."""
    source = ""
    if name == "binairo":
        assert run("python -m hrm_binairo pairs.jsonl --count 36").returncode == 0
        source = "--pairs pairs.jsonl "
    built = run(f"hrm-data build {name} {source}--output {name} --train 24 --test 6")
    assert built.returncode == 0, built.stderr
    assert (
        run(f"hrm-data verify {name}").stdout
        == f"{name}: 30 examples in train, test are in order; every solution is right\n"
    )
    tiny = "--train.steps 2 --train.global_batch_size 8 --arch.hidden_size 32 --arch.num_heads 2 --preset small"
    trained = run(f"trainer --data-path {name} {tiny} --arch.halt_max_steps 2 --runs {name}-runs")
    assert (trained.returncode, trained.stderr) == (0, "")
    scored = run(f"evaluator --runs {name}-runs --json --report {name}-report --show 6")
    assert scored.returncode == 0, scored.stderr
    boards = json.loads(scored.stdout)["boards"]
    assert len(boards) == 6
    for board in boards:
        for at, char in enumerate(board["puzzle"]):
            if char in structure:
                assert board["prediction"][at] == board["solution"][at] == char
    [shown] = re.findall(r'id="data">(.*?)</script>', (place / f"{name}-report/index.html").read_text(), re.DOTALL)
    for puzzle in json.loads(shown)["puzzles"]:
        for step in puzzle["answers"][0]:
            kept = [at for at, char in enumerate(puzzle["puzzle"]) if char in structure]
            assert [(step["symbols"][at], step["marks"][at]) for at in kept] == [
                (puzzle["puzzle"][at], ".") for at in kept
            ]
            assert all(puzzle["solution"][at] == puzzle["puzzle"][at] for at in kept)

    solved = json.loads(run(f"evaluator solve {boards[0]['puzzle']} --json --runs {name}-runs").stdout)
    assert all(solved["answer"][at] == char for at, char in enumerate(solved["puzzle"]) if char in structure)
    drawn = run(f"evaluator playground {name}.html --runs {name}-runs --puzzles 3")
    assert drawn.returncode == 0, drawn.stderr
    [shown] = json.loads(re.findall(r'id="data">(.*?)</script>', (place / f"{name}.html").read_text(), re.DOTALL)[0])
    assert shown["board"]["blank"] == 1
    assert (token in shown["board"]["kept"]) == bool(structure)
    for example in shown["examples"]:
        kept = [at for at, token in enumerate(example["puzzle"]) if token in shown["board"]["kept"]]
        assert example["kept"] == kept
        assert all(example["solution"][at] == example["puzzle"][at] for at in kept)


def test_its_flags_are_listed_and_its_mistakes_named(run) -> None:
    assert "--data.size N" in run("trainer --dataset hitori --help").stdout
    assert "hitori" in run("hrm-data build --help").stdout
    for command, named in (
        ("hrm-data build hitori --output x --size 10", "--size 10: should be less than or equal to 9"),
        ("trainer --dataset hitori --data.size 10", "--data.size 10: should be less than or equal to 9"),
        ("trainer --dataset hitori --preset small-9x9", "--preset small-9x9: should be 'paper'"),
        ("trainer --dataset hitori --data.box 2,2", "--data.box"),
    ):
        refused = run(command)
        assert refused.returncode == 2
        assert named in refused.stderr


def test_without_the_package_its_datasets_are_refused_by_name(run, place: Path) -> None:
    run("hrm-data build hitori --output other --size 4 --train 4 --test 2")
    for command in ("trainer --data-path other", "hrm-data show other", "trainer --dataset hitori"):
        refused = started(command, place, dict(os.environ))
        assert refused.returncode == 2
        assert "task 'hitori' is unknown; known tasks are" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_nothing_but_entry_points_and_a_default_knows_task_names() -> None:
    places = [
        *(ROOT / f"apps/{name}/src" for name in ("trainer", "evaluator")),
        *(ROOT / f"packages/{name}/src" for name in ("hrm-model", "hrm-train", "hrm-ops")),
    ]
    tasks = task_names()
    known = re.compile(rf"^({'|'.join(tasks)})\b|sudoku|maze|hitori|arc_?task", re.IGNORECASE)
    found = []
    for file in (file for place in places for file in place.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and node.value in tasks:
                found.append(f"{file.name}: {node.value!r}")
            name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
            if isinstance(name, str) and known.search(name):
                found.append(f"{file.name}: {name}")
    assert found == ["_settings.py: 'sudoku'"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "tests", ["shipped/test_cards.py", pytest.param("playground/test_shipped.py", marks=pytest.mark.dev)]
)
def test_the_model_that_comes_along_is_as_its_card_says_and_thinks_in_the_page_as_in_python(
    place: Path, tests: str
) -> None:
    """The evaluator's own tests of such models, where the package that knows their puzzles is installed."""
    if tests.startswith("playground"):
        pytest.importorskip("playwright", reason="needs the dependency group dev")
    command = f"pytest -q -n0 -p no:cacheprovider {ROOT / 'apps' / 'evaluator' / 'tests' / tests} -k hitori"
    done = started(command, place, own_puzzle["installed"](place / "site"))  # a browser needs a cache of a short path
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
