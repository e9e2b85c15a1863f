"""What a run shows: whole lines on narrow terminals, a clock that moves, and how long the run will take."""

import time

import numpy as np
import pytest
from hrm_data import get_task
from hrm_trainer._board import board
from hrm_trainer._display import Display, about
from hrm_trainer._held_out import Example
from rich.console import Console

REPORT = {
    "step": 26041,
    "skipped": 0,
    "steps_per_second": 1234.56,
    "puzzles_per_second": 98765.4,
    "lm_loss": 12.3456,
    "q_halt_loss": 10.123,
    "accuracy": 1.0,
    "exact_accuracy": 1.0,
    "steps": 16.0,
    "lr": 1e-4,
    "memory_gib": 123.45,
    "data_wait": 0.123,
    "model_flops_utilisation": 0.456,
    "halting_steps": [0, 800, 0, 100, *12 * [0]],
}
SHOWN = ("1234.56", "98765", "12.3456", "10.123", "100.0%", "16.00", "1.00e-04", "123.45 GiB", "left", "12.3%", "45.6%")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_live_region_fits_the_terminal(width: int) -> None:
    console = Console(force_terminal=True, width=width, record=True)
    display = Display(console)
    with display.progress(26041):
        display.started(0)
        display.reported(REPORT)
    text = console.export_text()
    assert "…" not in text
    frames = ["  training" + frame for frame in text.split("training")[1:]]
    assert len(frames) >= 2
    assert all(len(line.rstrip()) <= width for frame in frames for line in frame.splitlines())
    for shown in (*SHOWN, "·█·▁····"):
        assert shown in text


def test_the_clock_moves_between_reports() -> None:
    console = Console(force_terminal=True, width=80, record=True)
    with Display(console).progress(100):
        time.sleep(2.5)  # two seconds must pass for it to show them
    text = console.export_text()
    assert "0:00:01" in text
    assert "0:00:02" in text


def drawn(example: Example, width: int) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(board(example, width), soft_wrap=True)
    return captured.get()


@pytest.mark.parametrize(("wrong", "said"), [(0, "solved"), (1, "1 cell wrong (!)"), (2, "2 cells wrong (!)")])
def test_the_verdict_on_a_board_counts_its_wrong_cells(wrong: int, said: str) -> None:
    task = get_task("sudoku-2x2")
    solution = np.array([2, 3, 4, 5, 4, 5, 2, 3, 3, 2, 5, 4, 5, 4, 3, 2])
    answer = solution.copy()
    answer[:wrong] = answer[:wrong][::-1] if wrong > 1 else 5
    text = drawn(Example(task, np.where(solution == 2, 1, solution), answer, solution), 80)
    assert f"puzzle and prediction, {said}" in text
    assert text.count("!") == wrong + ("(!)" in said)


@pytest.mark.parametrize(("size", "width", "wrap"), [(11, 60, False), (30, 60, True), (30, 200, False)])
def test_boards_that_do_not_fit_side_by_side_stand_one_below_the_other(size: int, width: int, wrap: bool) -> None:
    task = get_task(f"maze-{size}x{size}")
    tokens = np.full(task.seq_len, 2)
    lines = drawn(Example(task, tokens, tokens, tokens), width).splitlines()
    assert (len(lines) > 2 * size) == wrap
    assert all(len(line.rstrip()) <= width for line in lines)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3, "less than a minute"),
        (60, "about 1 minute"),
        (600, "about 10 minutes"),
        (86400 * 0.9, "about 22 hours"),
        (86400 * 3.2, "about 3 days"),
    ],
)
def test_a_duration_is_said_in_its_largest_unit(seconds: float, said: str) -> None:
    assert about(seconds) == said


def test_a_run_of_days_is_announced_before_it_starts(trainer, small, monkeypatch) -> None:
    monkeypatch.setattr("hrm_trainer._run.step_seconds", lambda *_: 86400.0)
    result = trainer("--config", small(steps=4))
    assert result.code == 0
    before = result.out.split("Compiling and training")[0]
    assert "This run takes about 4 days on this device." in " ".join(before.split())
    assert "--preset small" in before
    assert "--train.steps 1 " in before
