"""The command line: mistakes and help."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hrm_evaluator.cli import main

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--limit", "abc"], ["--limit abc", "integer"]),
        (["--limit", "0"], ["--limit 0", "greater than or equal to 1"]),
        (["--batch-size=-1"], ["--batch-size -1", "greater than or equal to 1"]),
        (["--show", "1.5"], ["--show 1.5", "integer"]),
        (["--limit"], ["--limit", "expected one argument"]),
        (["--json=maybe"], ["--json maybe", "yes or no"]),
        (["--shwo", "3"], ["--shwo", "did you mean --show?"]),
        (["--colour"], ["--colour", "--checkpoint, --model, --runs, --data-path"]),
        (["slove", "1234"], ["'slove'", "did you mean solve?"]),
        (["solve", "--file"], ["--file", "expected one argument"]),
        (["solve", "-1.."], ["-1..", "not known"]),
        (["solve", "-", "--bords"], ["--bords", "did you mean --boards?"]),
        (["solve", "1234", "--limit", "3"], ["--limit", "evaluator solve --help"]),
        (["--json", "solve", "1234"], ["--json must come after solve"]),
        (["--data-path", "x", "solve", "1234"], ["--data-path must come after solve"]),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(args: list[str], named: list[str], evaluator: Call) -> None:
    code, out, err = evaluator(*args)
    assert (code, out) == (2, "")
    assert err.startswith("evaluator: ")
    assert err.count("\n") == 1
    for part in named:
        assert part in err


@pytest.mark.parametrize("args", [["--help"], ["solve", "--help"]])
def test_help_fits_a_screen_and_names_every_option(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50
    assert all(len(line) <= 80 for line in lines)
    options = {"--checkpoint", "--model", "--runs", "--data-path", "--json"}
    if args == ["--help"]:
        options |= {"--halting", "--threshold", "--patience", "--max-steps", "--batch-size", "--limit", "--show"}
    assert all(any(line.strip().startswith(option) for line in lines) for option in options)


def test_the_environment_sets_nothing(monkeypatch: pytest.MonkeyPatch, evaluator: Call) -> None:
    monkeypatch.setenv("LIMIT", "abc")
    monkeypatch.setenv("RUNS", "elsewhere")
    _, _, err = evaluator("--runs", "nowhere")
    assert err.startswith("evaluator: nowhere: holds no run yet")
