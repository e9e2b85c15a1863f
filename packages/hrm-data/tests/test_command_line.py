"""The shared parts of command lines: options from a model, one sentence a mistake, files as sources, exit codes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hrm_data.command_line import (
    CommandError,
    application,
    dispatch,
    leaves,
    merge,
    options_of,
    read_settings,
    run,
    suggestion,
    underscored,
    validate,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    lr: float = Field(0.1, gt=0, description="Learning rate.")
    H_cycles: int = Field(2, ge=1, description="Cycles of H.")
    box: tuple[int, int] = Field((3, 3), description="Rows and columns.")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    data_path: Path | None = Field(None, description="Dataset directory.")
    device: Literal["auto", "cpu"] = Field("auto", description="Where to compute.")
    fast: bool = Field(True, description="Fast.", json_schema_extra={"group": "speed"})
    train: Inner = Inner()


Parse = Callable[..., Any]


@pytest.fixture
def parse() -> Parse:
    def call(*words: str) -> Any:
        app = application("demo", "A demonstration.")

        @app.default
        def command(options: Any = None) -> Any:
            return options or {}

        command.__annotations__["options"] = options_of(Settings, underscored, names={"train.H_cycles": "--cycles"})
        return dispatch(app, words)

    return call


def test_the_options_that_were_given_come_as_a_dictionary(parse: Parse) -> None:
    assert parse() == {}
    assert parse("--train.lr", "1e-3", "--no-fast") == {"train": {"lr": "1e-3"}, "fast": False}
    assert parse("--train.lr", "-1")["train"] == {"lr": "-1"}
    assert parse("--train.lr=1", "--train.lr=2")["train"] == {"lr": "2"}


def test_a_hyphen_is_an_underscore_and_a_setting_may_have_a_second_flag(parse: Parse) -> None:
    assert parse("--data-path", "a-b_c") == parse("--data_path", "a-b_c") == {"data_path": "a-b_c"}
    assert parse("--cycles", "3") == parse("--train.H-cycles=3") == {"train": {"H_cycles": "3"}}


def test_help_lists_flags_groups_choices_and_defaults(parse: Parse, capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("--help", "-h"):
        parse(word)
        text = " ".join(capsys.readouterr().out.split())
        for part in (
            "A demonstration.",
            "--data_path PATH Dataset directory.",
            "[choices: auto, cpu] [default: auto]",
            "speed: --fast --no-fast Fast. [default: yes]",
            "train options: --train.lr X Learning rate. [default: 0.1]",
            "--train.box N,N Rows and columns. [default: 3,3]",
        ):
            assert part in text


def test_a_help_may_leave_settings_out_and_show_other_values(capsys: pytest.CaptureFixture[str]) -> None:
    app = application("demo", "A demonstration.")

    @app.default
    def command(options: Any = None) -> Any:
        return options or {}

    command.__annotations__["options"] = options_of(
        Settings, underscored, values={"train.lr": 0.5, "device": None}, hidden={"train.box", "fast"}
    )
    dispatch(app, ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--train.lr X Learning rate. [default: 0.5]" in text
    assert "[choices: auto, cpu] [default" not in text
    assert "--train.box" not in text
    assert "--fast" not in text
    assert dispatch(app, ["--train.box", "2,2"]) == {"train": {"box": "2,2"}}


FLAGS = ["--data.seed", "--data.train", "--train.seed", "--train.lr", "--train.global_batch_size", "--arch.H_layers"]
MEANT = {"batch_size": ["global_batch_size"], "learning_rate": ["lr"], "layers": ["H_layers", "L_layers"]}


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("--lr", "--train.lr"),
        ("-lr", "--train.lr"),
        ("--LR=3", "--train.lr"),
        ("--optimizer.lr", "--train.lr"),
        ("--seed", "--data.seed or --train.seed"),
        ("--h-layers", "--arch.H_layers"),
        ("--batch-size", "--train.global_batch_size"),
        ("--batchsize", "--train.global_batch_size"),
        ("--optimizer.learning_rate", "--train.lr"),
        ("--layers", "--arch.H_layers"),  # another of the synonym's settings does not exist
        ("--data.trian", "--data.train"),
    ],
)
def test_a_suggestion_knows_last_parts_and_other_names(unknown: str, meant: str) -> None:
    assert suggestion(unknown, FLAGS, MEANT) == f"; did you mean {meant}?"


@given(st.sampled_from(FLAGS), st.text("abc.-_", max_size=8))
def test_a_suggestion_names_only_what_exists_and_every_last_part_finds_its_flag(flag: str, other: str) -> None:
    assert flag in suggestion(f"--{flag.split('.')[-1].replace('_', '-')}", FLAGS)
    said = suggestion(f"--{other}", FLAGS, MEANT)
    words = said.removeprefix("; did you mean ").removesuffix("?").split(" or ")
    assert not said or set(words) <= set(FLAGS)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--tran.lr", "1"], ["--tran.lr is not known", "did you mean --train.lr?"]),
        (["--colour"], ["--colour is not known", "--data_path, --device"]),
        (["--device", "tpu"], ["--device tpu: should be 'auto' or 'cpu'"]),
        (["--train.lr"], ["--train.lr: expected one argument"]),
        (["--fast=maybe"], ["--fast maybe: should be yes or no"]),
        (["word"], ["'word' is one argument too many"]),
    ],
)
def test_a_wrong_command_line_is_one_sentence(words: list[str], named: list[str], parse: Parse) -> None:
    with pytest.raises(CommandError) as caught:
        parse(*words)
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in [*named, "(see demo --help)"]), caught.value


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"train": {"lr": "0"}}, "--train.lr 0: should be greater than 0"),
        ({"train": {"lr": float("nan")}}, "--train.lr nan: should be a finite number"),
        ({"train": {"box": "2,a"}}, "--train.box a: should be a valid integer"),
        ({"train": {"lrr": 1}}, "--train.lrr 1: there is no such setting; did you mean --train.lr?"),
        ({"trian": 1}, "--trian 1: there is no such setting"),
    ],
)
def test_a_wrong_value_is_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandError, match=f"^{sentence}".replace("?", r"\?")):
        validate(Settings, values, underscored)


def test_text_with_commas_is_split_where_a_list_is_meant() -> None:
    assert validate(Settings, {"train": {"box": "2,3"}, "data_path": "a,b"}).train.box == (2, 3)
    assert validate(Settings, {"data_path": "a,b"}).data_path == Path("a,b")


def test_the_options_of_a_command_come_after_it() -> None:
    app = application("demo")
    app.command(lambda *, json=False: json, name="solve")
    app.default(lambda *, json=False, limit=0: (json, limit))
    assert dispatch(app, ["solve", "--json"]) is True
    with pytest.raises(CommandError, match=r"^--json, --limit must come after solve "):
        dispatch(app, ["--json", "--limit=3", "solve"])


nested = st.dictionaries(
    st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("abc"), st.integers()), max_size=3
)


@given(nested, nested)
def test_an_earlier_source_wins_leaf_by_leaf(first: dict[str, Any], second: dict[str, Any]) -> None:
    merged = dict(leaves(merge(first, second)))
    assert merged.items() >= dict(leaves(first)).items()
    assert merge(first, first) == merge(first)


def test_a_settings_file_is_json_or_yaml(tmp_path: Path) -> None:
    for name, text in (("a.json", '{"train": {"lr": 1}}'), ("a.yaml", "train: {lr: 1}")):
        (tmp_path / name).write_text(text)
        assert read_settings(str(tmp_path / name)) == {"train": {"lr": 1}}
    with pytest.raises(CommandError, match=r"^--settings .*b\.json: cannot be read \(No such file"):
        read_settings(tmp_path / "b.json", "--settings")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CommandError("wrong"), 2, "demo: wrong\n"),
        (CommandError("failed", 1), 1, "demo: failed\n"),
        (KeyboardInterrupt(), 130, "demo: interrupted\n"),
        (OSError("no space"), 1, "demo: no space\n"),
        (MemoryError(), 1, "demo: out of memory\n"),
    ],
)
def test_an_error_becomes_an_exit_code_and_one_line(
    error: BaseException, code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert run("demo", work) == code
    assert capfd.readouterr().err == message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_interrupts_the_work_and_its_handler_is_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def work() -> int:
        os.kill(os.getpid(), number)
        raise AssertionError

    assert run("demo", work) == 130
    assert signal.getsignal(number) == before


def test_a_second_signal_does_not_cut_the_cleaning_up_short() -> None:
    cleaned = []

    def work() -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)
        raise AssertionError

    assert run("demo", work) == 130
    assert cleaned == [True]


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("demo", lambda: os.kill(os.getpid(), signal.SIGHUP) or 0) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_during_an_import_ends_the_command_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhole = True\n"
    (tmp_path / "imported_by_a_test.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    def work() -> int:
        import imported_by_a_test

        seen.append(imported_by_a_test.whole)
        time.sleep(60)
        raise AssertionError

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run("demo", work) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [True]


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    def work() -> int:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        run("demo", work)
