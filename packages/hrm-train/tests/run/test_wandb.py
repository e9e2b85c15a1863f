"""Reports to Weights & Biases, with the real package and without an account."""

import shlex
from pathlib import Path

import pytest
from hrm_train import wandb_callbacks

REPORT = {"step": 1, "loss": 0.5, "halting_steps": [1, 2]}


@pytest.mark.dev
def test_when_reports_fail_later_one_line_says_so_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb", reason="needs the dependency group dev")
    monkeypatch.setenv("HOME", str(tmp_path))  # where no login is
    said: list[str] = []
    (reports,) = wandb_callbacks("offline", tmp_path, {"lr": 1.0}, said.append)
    reports.reported(REPORT)
    assert said == []
    wandb.finish()  # as when its own process has ended
    for _ in range(2):
        reports.reported(REPORT)
        reports.evaluated(REPORT)
    reports.ended()
    (line,) = said
    assert line.startswith("Weights & Biases: no more reports there, training goes on (")
    assert "\n" not in line


@pytest.mark.dev
def test_offline_reports_end_with_the_command_that_uploads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="needs the dependency group dev")
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / "a run"
    directory.mkdir()
    said: list[str] = []
    (reports,) = wandb_callbacks("offline", directory, {}, said.append)
    reports.reported(REPORT)
    reports.ended()
    (line,) = said
    path = Path(shlex.split(line.split("to upload them: ")[1].removeprefix("wandb sync "))[0])
    assert list(path.glob("run-*.wandb"))
    assert path.is_relative_to(directory)
