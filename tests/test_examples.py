"""The notebook and the server of docs/examples, run as a user runs them."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hrm_data.sudoku import SudokuTask
from hrm_evaluator import load
from hrm_model import HRM, HRMConfig, save_weights

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
NOTEBOOK = EXAMPLES / "solve.ipynb"
PUZZLE = "..25.7.8...3.............6..17.38..4.9..54.....67....9.5..2.9.172..4.5.6.3.....4."

# Runs cells as a kernel does: in one namespace, showing the value of a last expression as HTML if it has any.
KERNEL = """
import ast, json, sys
names = {"__name__": "__main__"}
for cell in json.load(sys.stdin):
    tree = ast.parse(cell)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    value = None if last is None else eval(compile(last, "cell", "eval"), names)
    if value is not None:
        show = getattr(value, "_repr_html_", None) or value.__repr__
        print(show())
    print("=" * 20, flush=True)
"""


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of a model that has learnt nothing."""
    task = SudokuTask()
    sizes = {"hidden_size": 16, "num_heads": 2, "H_layers": 1, "L_layers": 1, "expansion": 1, "puzzle_emb_ndim": 0}
    data = {"seq_len": task.seq_len, "vocab_size": task.vocab_size, "num_puzzle_identifiers": 1}
    mx.random.seed(0)
    model = HRM(HRMConfig(halt_max_steps=3, forward_dtype="float32", **sizes, **data))
    model.task = json.dumps(task.to_json())
    path = tmp_path_factory.mktemp("untrained") / "model.safetensors"
    save_weights(model, path)
    return path


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    return json.loads(NOTEBOOK.read_text())["cells"]


def test_the_notebook_is_committed_without_outputs(cells: list[dict[str, Any]]) -> None:
    whole = json.loads(NOTEBOOK.read_text())
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_notebook_says_how_it_runs_on_a_hosted_gpu(cells: list[dict[str, Any]]) -> None:
    text = "".join(line for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"])
    for word in ("Colab", "Kaggle", 'pip install "mlx[cuda12]"', "mlx-cpu", "measured"):
        assert word in text


def test_the_notebook_runs_from_its_first_cell_to_its_last(cells: list[dict[str, Any]]) -> None:
    """In one fresh process, without a kernel of Jupyter, which would add 37 packages to the group dev."""
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert any('load("sudoku-9x9")' in code for code in codes)
    done = subprocess.run(
        [sys.executable, "-c", KERNEL], input=json.dumps(codes), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    names = [cell["id"] for cell in cells if cell["cell_type"] == "code"]
    shown = dict(zip(names, done.stdout.split("=" * 20), strict=False))
    assert "Solver of sudoku-3x3" in shown["load"]
    assert ": valid, after" in shown["solve"]
    assert shown["solve"].count("<table") == 2
    assert 'type="range"' in shown["solve"]
    assert len(shown["many"].split("\n")) == 4
    assert shown["threads"].strip() == "True"
    assert shown["mistakes"].strip().startswith("the puzzle is wrong: the puzzle has 80 characters")


@pytest.fixture(scope="module")
def address(untrained: Path) -> Iterator[str]:
    """A server of the example, on a free port of this machine."""
    command = [sys.executable, EXAMPLES / "serve.py", untrained, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            kind, _, address = server.stdout.readline().strip().partition(" at ")
            assert kind == "sudoku-3x3"
            assert address.startswith("http://127.0.0.1:")
            yield address
        finally:
            server.terminate()


def ask(address: str, body: bytes) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=300) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_many_clients_get_the_answers_that_one_gets(address: str, untrained: Path) -> None:
    solver = load(untrained)
    puzzles = [PUZZLE[:at] + "." + PUZZLE[at + 1 :] for at in range(0, 81, 8)]
    expected = {}
    for puzzle in puzzles:
        one = solver.solve(puzzle)
        expected[puzzle] = (one.text, one.valid, list(one.faults), one.steps)
    with ThreadPoolExecutor(8) as pool:
        wanted = puzzles * 8
        replies = list(pool.map(lambda puzzle: ask(address, puzzle.encode()), wanted))
    for puzzle, (status, reply) in zip(wanted, replies, strict=True):
        assert status == 200
        assert (reply["answer"], reply["valid"], reply["faults"], reply["steps"]) == expected[puzzle]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (PUZZLE[1:].encode(), 400, "the puzzle has 80 characters"),
        (b"55" + PUZZLE[2:].encode(), 400, "the clues contradict each other"),
        (b"", 400, "the puzzle is wrong"),
        (b"\xff" * 81, 400, "no UTF-8"),
        (b"." * 65_537, 413, "at most 65536 bytes"),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(address: str, body: bytes, status: int, says: str) -> None:
    found, reply = ask(address, body)
    assert found == status
    assert says in reply["error"]
    assert "\n" not in reply["error"]
    assert ask(address, PUZZLE.encode())[0] == 200


@pytest.mark.parametrize("length", [None, "-1", "many", "9" * 5000])
def test_a_length_that_is_none_harms_nobody(address: str, length: str | None) -> None:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=300)
    connection.putrequest("POST", "/")
    if length is not None:
        connection.putheader("Content-Length", length)
    connection.endheaders()
    if length == "9" * 5000:
        connection.send(b"." * 65_537)
    assert connection.getresponse().status == (413 if length == "9" * 5000 else 411)
    connection.close()
    assert ask(address, PUZZLE.encode())[0] == 200


def test_a_server_that_cannot_start_says_why_in_one_line(untrained: Path, address: str) -> None:
    taken = address.rpartition(":")[2]
    for words, says in ((["nope"], "checkpoint nope: does not exist"), ([str(untrained), "--port", taken], "in use")):
        command = [sys.executable, EXAMPLES / "serve.py", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 1
        assert done.stderr.startswith("serve.py: ")
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
