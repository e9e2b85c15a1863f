"""Runs of seconds through the command line, in this process."""

import json
import shutil
from pathlib import Path

import hrm_trainer._run
import pytest
from hrm_trainer._display import Display
from rich.console import Console


def only_run() -> Path:
    (run,) = Path("runs").iterdir()
    return run


def test_a_run_leaves_configuration_metrics_and_checkpoints_and_shows_an_example(trainer, small):
    code, out, err = trainer("--config", small())
    assert (code, err) == (0, "")
    run = only_run()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(m["kind"], m["step"]) for m in lines] == [
        ("train", 4),
        ("eval", 6),
        ("train", 8),
        ("train", 12),
        ("eval", 12),
    ]
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-00000010", "step-00000012"]
    for word in ("device", "preset", "parameters", "held out", "expect", "otherwise", "cells wrong", "exact accuracy"):
        assert word in out


def test_a_finished_run_is_said_to_be_finished_and_left_as_it_is(trainer, small):
    trainer("--config", small())
    before = {p: p.read_bytes() for p in only_run().rglob("*") if p.is_file()}
    code, out, _ = trainer("--resume")
    assert code == 0
    assert len(out.splitlines()) == 1
    assert "finished" in out
    assert before == {p: p.read_bytes() for p in only_run().rglob("*") if p.is_file()}


def test_a_runs_own_configuration_gives_the_same_weights_again(trainer, small):
    trainer("--config", small())
    first = only_run()
    trainer("--config", first / "config.json")
    (second,) = set(Path("runs").iterdir()) - {first}
    names = [f"checkpoints/step-00000012/{file}" for file in ("model.safetensors", "training.safetensors")]
    assert [(first / n).read_bytes() for n in names] == [(second / n).read_bytes() for n in names]


def test_a_run_without_checkpoint_and_one_with_a_damaged_checkpoint_are_named(trainer, small):
    trainer("--config", small())
    run = only_run()
    shutil.rmtree(run / "checkpoints" / "step-00000012")
    weights = run / "checkpoints" / "step-00000010" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    code, _, err = trainer("--resume")
    assert code in (1, 2)
    assert str(weights.parent) in err
    assert weights.stat().st_size == 1000
    shutil.rmtree(run / "checkpoints")
    code, _, err = trainer("--resume", run)
    assert code == 2
    assert "no checkpoint" in err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "trainer: interrupted\n"),
        (OSError(28, "No space left on device", "x"), 1, "No space left on device: 'x'"),
        (RuntimeError("[write] Unable to write 5 bytes to file."), 1, "disk full"),
        (MemoryError(), 1, "out of memory"),
    ],
)
def test_what_happens_outside_the_loop_ends_in_one_line_and_a_code(error, code, said, trainer, small, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(hrm_trainer._run, "find_or_build", fail)
    result = trainer("--config", small())
    assert result.code == code
    assert said in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_region_fits_the_terminal(width: int):
    console = Console(force_terminal=True, width=width, record=True)
    display = Display(console)
    report = {
        "step": 26041,
        "steps_per_second": 1234.56,
        "puzzles_per_second": 98765.4,
        "lm_loss": 12.3456,
        "q_halt_loss": 10.123,
        "accuracy": 1.0,
        "exact_accuracy": 1.0,
        "steps": 16.0,
        "lr": 1e-4,
        "memory_gib": 123.45,
    }
    with display.progress(26041):
        display.started(0)
        display.reported(report)
    text = console.export_text()
    assert "…" not in text
    frames = ["training" + frame for frame in text.split("training")[1:]]
    assert all(len(line) <= width for frame in frames for line in frame.splitlines())
    for shown in ("1234.56", "98765", "12.3456", "10.123", "100.0%", "16.00", "1.00e-04", "123.45 GiB", "left"):
        assert shown in text
