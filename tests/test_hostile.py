"""What a user may meet by accident or by malice, through the command lines: one sentence, little memory, no hang."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import runpy
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import pytest
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_evaluator.cli import main as evaluator_main
from hrm_model import HRM, HRMConfig, load_model, save_weights
from hrm_trainer.cli import main as trainer_main

BIN = Path(sys.executable).parent
running = runpy.run_path(str(Path(__file__).with_name("commands.py")))["running"]
MEMORY = 2 << 30  # bytes that a command may take; the libraries alone take a quarter of a gigabyte
PUZZLE = "1..4..3.2...4..1"
MODEL: dict[str, Any] = {
    "hidden_size": 16,
    "num_heads": 2,
    "H_layers": 1,
    "L_layers": 1,
    "halt_max_steps": 2,
    "forward_dtype": "float32",
    "seq_len": 16,
    "vocab_size": 6,
    "num_puzzle_identifiers": 1,
}


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Done]:
    """Start a command in an empty directory, with an own cache, and bounds on memory and time."""

    def call(command: str, *words: object, **environment: str) -> Done:
        said = [BIN / command, *map(str, words)]
        env = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"} | environment
        done = subprocess.run(said, cwd=tmp_path, env=env, capture_output=True, timeout=120, check=False)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


@pytest.fixture(scope="module")
def commands() -> Iterator[Any]:
    with running(os.environ | {"COLUMNS": "200"}) as made:
        yield made


@pytest.fixture
def run(commands: Any, tmp_path: Path) -> Callable[..., Done]:
    """The same in a process that need not import everything."""

    def call(command: str, *words: object, **environment: str) -> Done:
        changes = {"XDG_CACHE_HOME": str(tmp_path / "cache")} | environment
        done = commands.run([command, *map(str, words)], tmp_path, changes)
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process, which is quicker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mains = {"trainer": trainer_main, "evaluator": evaluator_main}
    return lambda command, *words: Done(mains[command]([str(word) for word in words]), *capsys.readouterr())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A weight file that knows its task."""
    mx.random.seed(0)
    model = HRM(HRMConfig(**MODEL))
    model.task = json.dumps({"task": "sudoku", "box": [2, 2]})
    save_weights(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def refused(done: Done, *parts: str) -> None:
    """The command ended with one short sentence about a mistake."""
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 2200
    assert all(line.isprintable() for line in done.err.split("\n"))
    for part in parts:
        assert part in done.err, done.err


NUMBERS = [
    ("trainer", "--arch.hidden_size", 2_000_000),
    ("trainer", "--arch.hidden_size", 2**31),
    ("trainer", "--arch.H_layers", 10**9),
    ("trainer", "--arch.expansion", 1e300),
    ("trainer", "--arch.halt_max_steps", 10**11),
    ("trainer", "--train.lr", 1e300),
    ("trainer", "--train.steps", 10**11),
    ("trainer", "--train.rank_timeout", 1e300),
    ("trainer", "--ranks", 10**9),
    ("trainer", "--data.train", 10**30),
    ("trainer", "--data.mean_rating", 1e300),
    ("trainer", "--data.seed", 10**30),
    ("evaluator", "--batch-size", 10**9),
    ("evaluator", "--max-steps", 99_999_999_999),
    ("evaluator", "--patience", 10**30),
    ("evaluator", "--votes", 100_000),
    ("evaluator", "--checkpoints", 10**9),
    ("evaluator", "--show", 10**30),
    ("evaluator", "--report-puzzles", 10**30),
    ("evaluator", "--limit", 10**30),
]


@pytest.mark.parametrize(("command", "flag", "value"), NUMBERS)
def test_a_number_beyond_its_bound_is_refused_with_what_the_bound_protects(
    here: Callable[..., Done], command: str, flag: str, value: float
) -> None:
    refused(here(command, flag, value), f"{flag} {value}: should be at most ", ", which ")


def test_numbers_that_are_too_large_together_are_refused(here: Callable[..., Done]) -> None:
    refused(here("evaluator", "--votes", 200, "--trajectories", 200), "40,000 answers to a puzzle; at most 10,000")
    refused(here("trainer", "--arch.hidden_size", 65536, "--data.train", 5), "GiB", "parameters", "this machine has")
    refused(here("trainer", "--train.global_batch_size", 2 * 10**9, "--data.train", 5), "GiB", "this machine has")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nb: &b [*a, *a]\ntrain: {steps: *b}\n",
        "[" * 200_000,
        "train: " + "{a: " * 100_000,
        "train: {steps: 5}\ntrain: {steps: 6}\n",
        "train: {steps: 5, steps: 6}\n",
        "train: !!python/object/apply:os.system [true]\n",
        "x" * 2**21,
        f"{'a' * 70_000}: 1\n",
        f"train: {{lr: {'9' * 70_000}}}\n",
        'train: "\\e]0;x\\a"\n',
        "\ufeff\u202etrain: 5\n",
    ],
    ids=range(11),
)
def test_a_hostile_configuration_is_one_short_sentence(here: Callable[..., Done], tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    refused(here("trainer", "--config", "a.yaml"), "--")


@pytest.mark.parametrize(
    "text", ['{"train": {"steps": 5, "steps": 6}}', "[" * 10**6, '{"train": {"lr": NaN}}', '{"dataset": "\\ud800"}']
)
def test_a_configuration_in_json_is_read_as_strictly(here: Callable[..., Done], tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    refused(here("trainer", "--config", "a.json"), "--config a.json: is not valid JSON")


def sparse_tar(path: Path, members: int) -> Path:
    """A compressed tar of some hundred bytes whose members claim 64 MiB of zeros each."""
    made = io.BytesIO()
    for number in range(members):
        info = tarfile.TarInfo(f"{number}.json")
        info.type = tarfile.GNUTYPE_SPARSE
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
        header[386:410] = b"%011o\0%011o\0" % (1 << 26, 0)
        header[483:495] = b"%011o\0" % (1 << 26)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        made.write(header)
    path.write_bytes(gzip.compress(made.getvalue() + bytes(10240)))
    return path


def test_archives_that_expand_are_refused_in_little_memory(start: Callable[..., Done], tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    tar = sparse_tar(tmp_path / "a.tar.gz", 80)
    assert tar.stat().st_size < 1000
    refused(start("hrm-data", "build", "arc1", "--source", tar, "--output", "out"), "is a sparse file")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("training/a.json", "[" + "[]," * (1 << 24) + "[]]")
    refused(start("hrm-data", "build", "arc1", "--source", "a.zip", "--output", "out"), "a.json", "values")
    unit = 1 if sys.platform == "darwin" else 1024
    assert max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * unit < MEMORY or before * unit > MEMORY


@pytest.mark.parametrize("words", [("info", "x", ""), ("build", ""), ("build", "sudoku", "--output", "")])
def test_an_empty_word_is_named(run: Callable[..., Done], words: tuple[str, ...]) -> None:
    refused(run("hrm-data", *words), "empty")


def test_an_empty_word_is_named_by_every_command(here: Callable[..., Done]) -> None:
    refused(here("trainer", ""), "empty")
    refused(here("trainer", "--runs="), "--runs is empty")
    refused(here("evaluator", "--checkpoint", ""), "--checkpoint is empty")


def test_text_that_is_not_ours_is_printed_as_it_is(run: Callable[..., Done], tmp_path: Path, weights: Path) -> None:
    for name in ("run [old]", "[/x]", ":smile:", "a\x1b]0;x\x07b"):
        refused(run("evaluator", "--checkpoint", name), name.replace("\x1b", "\\x1b").replace("\x07", "\\x07"))
        refused(run("hrm-data", "info", name), name.replace("\x1b", "\\x1b").replace("\x07", "\\x07"))
    options = SudokuOptions(box=(2, 2), train=6, test=3, kind="any")
    folder = build_sudoku(tmp_path / "[bold]d[/x] :smile:", options)
    shown = run("evaluator", "--checkpoint", weights, "--data-path", folder)
    assert shown.code == 0, shown.err
    assert f"{folder}, test split" in shown.out
    (folder / "identifiers.json").write_text('["\\u001b[2J[/x]"]')
    shown = run("hrm-data", "show", folder)
    assert "\\x1b[2J[/x]" in shown.out
    assert "\x1b" not in shown.out
    described = run("hrm-data", "info", folder)
    assert str(folder) in described.out


def test_json_is_valid_whatever_the_weights_make(run: Callable[..., Done], weights: Path) -> None:
    model = load_model(weights)
    model.lm_head.weight = mx.full(model.lm_head.weight.shape, 3e38)
    model.q_head.weight = mx.full(model.q_head.weight.shape, 3e38)
    save_weights(model, weights)
    done = run("evaluator", "solve", PUZZLE, "--checkpoint", weights, "--json")
    assert done.code in (0, 1), done.err
    json.loads(done.out, parse_constant=lambda name: pytest.fail(name))
    model.q_head.bias = mx.full(model.q_head.bias.shape, float("nan"))
    save_weights(model, weights)
    refused(run("evaluator", "solve", PUZZLE, "--checkpoint", weights), "q_head.bias holds numbers that are not finite")


def test_any_streams_will_do(start: Callable[..., Done], tmp_path: Path, weights: Path) -> None:
    words = ["solve", PUZZLE, "--checkpoint", weights]
    plain = start("evaluator", *words)
    assert start("evaluator", *words, PYTHONIOENCODING="ascii").code == plain.code
    strange = tmp_path / "\u65e5\u672c"
    strange.mkdir()
    weights.rename(strange / weights.name)
    for words in (["solve", PUZZLE, "--checkpoint", strange / weights.name], ["--checkpoint", strange / "none"]):
        done = start("evaluator", *words, PYTHONIOENCODING="ascii")
        assert "Traceback" not in done.err, done.err
    assert "\\u65e5\\u672c" in done.err
    for closed in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        for command in (f"{BIN}/hrm-data --help", f"{BIN}/evaluator solve --checkpoint none"):
            done = subprocess.run(
                ["bash", "-c", f"{command} {closed}"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == (2 if "none" in command else 0), (command, closed, done.stderr)
            assert "Traceback" not in done.stderr


def test_the_environment_of_a_launcher_is_checked(run: Callable[..., Done]) -> None:
    refused(run("trainer", "--data.train", 5, HRM_LAUNCHER_PID="abc"), "HRM_LAUNCHER_PID abc: should be the process id")


def test_a_path_is_never_looked_up_on_the_hub(start: Callable[..., Done]) -> None:
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    for words in (("evaluator", "--checkpoint"), ("trainer", "import-checkpoint", "--output", "out")):
        refused(start(*words, "rnus/20261127", **offline), "rnus/20261127: does not exist", "hf://rnus/20261127")
        refused(start(*words, "hf://rnus/20261127", **offline), "the hub cannot be reached")


@pytest.mark.parametrize(
    "content",
    [
        b"1" * (1 << 27),
        b"[" * (1 << 20),
        b"[" + b"[]," * (1 << 22) + b"1]",
        b'["\\ud800"]',
        b"[" + b"9" * 5000 + b"]",
        b"<a " + b"x='1' \n" * (1 << 18),
        b"<!DOCTYPE a [" + b"<!ENTITY b 'b'>\n" * (1 << 16),
        b"<g data='version: " + b"1" * 5000 + b" 1|'/>",
        b"version: " + b"1" * 5000 + b"\n1",
        b"puzzle,a\n" + b"1," * (1 << 20),
        b"\xff\xfe" + b"\x00\xd8" * 1000,
    ],
    ids=range(11),
)
def test_a_hostile_file_of_puzzles_is_one_short_sentence(
    run: Callable[..., Done], tmp_path: Path, weights: Path, content: bytes
) -> None:
    (tmp_path / "p").write_bytes(content)
    done = run("evaluator", "solve", "--checkpoint", weights, "--file", "p")
    refused(done, "evaluator: ")
