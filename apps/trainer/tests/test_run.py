"""Runs of seconds through the command line, in this process."""

import json
import re
import shutil
from pathlib import Path

import hrm_trainer._run
import pytest
from hrm_train import RunDirectory

SHORT = ("--train.steps", 1, "--train.global-batch-size", 8, "--arch.hidden_size", 16, "--arch.num_heads", 2)


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
    best = max(lines[1], lines[4], key=lambda m: m["exact_accuracy"])["step"]  # the first of equals
    kept = {f"step-{step:08}" for step in (10, 12, best)}
    assert {p.name for p in (run / "checkpoints").iterdir()} == kept
    assert out.count(f"uv run evaluator --checkpoint {run}") == 2
    assert f"uv run evaluator solve --checkpoint {run} PUZZLE" in out
    assert f"{run / 'checkpoints/step-00000012/model.safetensors'}\n" in out
    for word in ("device", "preset", "parameters", "held out", "expect", "otherwise", "cells wrong", "exact accuracy"):
        assert word in out


def test_a_finished_run_is_said_to_be_finished_and_left_as_it_is(trainer, trained):
    before = {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}
    code, out, _ = trainer("--resume")
    assert code == 0
    assert len(out.splitlines()) == 1
    assert "finished" in out
    assert before == {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}


def test_a_runs_own_configuration_gives_the_same_weights_again(trainer, trained):
    first = trained
    trainer("--config", first / "config.json")
    (second,) = set(Path("runs").iterdir()) - {first}
    names = [f"checkpoints/step-00000012/{file}" for file in ("model.safetensors", "training.safetensors")]
    assert [(first / n).read_bytes() for n in names] == [(second / n).read_bytes() for n in names]


def test_settings_changed_in_the_runs_own_file_hold_from_then_on_and_are_said(trainer, trained):
    run = trained
    content = json.loads((run / "config.json").read_text())
    content["train"].update(steps=16, lr=5e-4)
    (run / "config.json").write_text(json.dumps(content))
    result = trainer("--resume")
    assert result.code == 0, result.err
    said = f"{run / 'config.json'}: train.steps is 16 now, it was 12 at step-00000012; the run goes on with 16"
    assert said in result.out
    assert "train.lr is 0.0005 now" in result.out
    assert result.out.count(" now, it was ") == 2
    assert (run / "checkpoints" / "step-00000016").is_dir()


@pytest.mark.parametrize("was_evaluated", [True, False])
def test_a_run_with_fewer_steps_than_are_done_ends_at_once_with_the_evaluation_that_is_due(
    was_evaluated, trainer, trained
):
    run = trained
    content = json.loads((run / "config.json").read_text())
    content["train"].update(steps=5)
    (run / "config.json").write_text(json.dumps(content))
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    if not was_evaluated:
        (run / "metrics.jsonl").write_text("".join(lines[:-1]))
    kept = {path.name for path in (run / "checkpoints").iterdir()}
    result = trainer("--resume")
    assert result.code == 0, result.err
    assert f"{run / 'config.json'}: train.steps is 5 now, it was 12 at step-00000012" in result.out
    assert ("is finished, 12 of 5 steps are done" in result.out) == was_evaluated
    assert {path.name for path in (run / "checkpoints").iterdir()} == kept
    again = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(m["kind"], m["step"]) for m in again] == [(m["kind"], m["step"]) for m in map(json.loads, lines)]


@pytest.mark.parametrize(
    ("part", "name", "value", "before", "what"),
    [
        ("data", "train", 50, 60, "the puzzles are made already"),
        ("data", "box", [2, 3], [2, 2], "the puzzles are made already"),
        ("arch", "hidden_size", 32, 16, "the model has been trained so"),
        ("arch", "halt_max_steps", 5, 3, "the model has been trained so"),
    ],
)
def test_settings_of_the_model_and_of_made_puzzles_are_not_changed_by_a_resume(
    part, name, value, before, what, trainer, trained
):
    run = trained
    file = run / "config.json"
    content = json.loads(file.read_text())
    content[part][name] = value
    content["train"]["steps"] = 20
    file.write_text(json.dumps(content))
    files = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    result = trainer("--resume")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"{file}: {part}.{name} is {value} now, it was {before} at step-00000012, and {what}; put it" in result.err
    assert files == {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}


def test_another_augmentation_holds_from_then_on_and_is_said(trainer, trained):
    file = trained / "config.json"
    content = json.loads(file.read_text())
    hints, content["data"]["hints"] = content["data"]["hints"], 0.25
    content["train"]["steps"] = 16
    file.write_text(json.dumps(content))
    result = trainer("--resume")
    assert result.code == 0, result.err
    assert f"{file}: data.hints is 0.25 now, it was {hints} at step-00000012; the run goes on with 0.25" in result.out


def final_files(run: Path) -> list[bytes]:
    return [(run / f"checkpoints/step-00000012/{name}.safetensors").read_bytes() for name in ("model", "training")]


def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_gives_the_same_end(trainer, trained):
    run = trained
    end = final_files(run)
    weights = run / "checkpoints/step-00000012/model.safetensors"
    weights.write_bytes(end[0][:1000])
    code, _, err = trainer("--resume")
    assert (code, err.count("\n")) == (0, 1)
    assert f"{weights.parent} is damaged: model.safetensors" in err
    assert "step-00000010 is used instead" in err
    assert final_files(run) == end
    assert (run / "checkpoints/aside-step-00000012/model.safetensors").read_bytes() == end[0][:1000]


def test_a_run_without_a_whole_checkpoint_is_not_started_over_by_itself(trainer, trained):
    run = trained
    for path in (run / "checkpoints").iterdir():
        (path / "state.json").write_text("{}")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    code, _, err = trainer("--resume")
    assert (code, err.count("\n")) == (1, 1)
    assert all(f"{path} is damaged" in err for path in (run / "checkpoints").iterdir())
    assert f"trainer --config {run / 'config.json'}" in err
    assert before == {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}


def test_a_run_that_diverges_says_at_which_step_where_the_last_good_checkpoint_is_and_what_to_try(trainer, small):
    config = small(lr=1e6, weight_decay=1e6, lr_warmup_steps=0, steps=200, log_interval=1, checkpoint_interval=1)
    code, _, err = trainer("--config", config, "--train.keep-best", "none")
    assert (code, err.count("\n")) == (1, 1)
    bad = int(re.match(r"trainer: step (\d+): loss or gradients are not finite; ", err)[1])
    assert f"{only_run()}/checkpoints/step-{bad - 1:08}" in err
    assert "lower lr than 1000000.0" in err
    assert "on_nan skip" in err
    assert RunDirectory(only_run()).newest_checkpoint().name == f"step-{bad - 1:08}"


def test_runs_of_one_seed_are_identical_and_another_seed_gives_another_run(start, trainer, small, trained, metrics_of):
    process = start("--config", small(), "--runs", "again")  # another process
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert trainer("--config", small(seed=6), "--runs", "other").code == 0
    (again,), (other,) = Path("again").iterdir(), Path("other").iterdir()
    assert (final_files(again), metrics_of(again)) == (final_files(trained), metrics_of(trained))
    assert final_files(other)[0] != final_files(trained)[0]


def test_a_run_killed_before_its_first_checkpoint_starts_again_and_ends_the_same(trainer, trained, metrics_of):
    run = trained
    end, metrics = final_files(run), metrics_of(run)
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints/.step-00000005.abcd1234.tmp").mkdir(parents=True)
    code, out, _ = trainer("--resume")
    assert code == 0
    assert "has no checkpoint yet, so it starts at step 0 again" in out
    assert (final_files(run), metrics_of(run)) == (end, metrics)
    assert not list((run / "checkpoints").glob(".*"))


@pytest.mark.parametrize("change", ["a puzzle", "a missing file", "another dataset"])
def test_a_run_is_not_resumed_on_other_puzzles(change, trainer, trained, tmp_path: Path):
    shutil.copytree(json.loads((trained / "config.json").read_text())["data_path"], tmp_path / "data")
    trainer("--data-path", tmp_path / "data", "--runs", "short", *SHORT)
    (run,) = Path("short").iterdir()
    shutil.rmtree(run / "checkpoints")
    inputs = tmp_path / "data/train/all__inputs.npy"
    content = bytearray(inputs.read_bytes())
    if change == "a puzzle":
        content[-1] = content[-2]
        content[-2] = 1 if content[-1] != 1 else 2
        inputs.write_bytes(content)
    elif change == "a missing file":
        (tmp_path / "data/task.json").unlink()
    else:
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps({**config, "data_fingerprint": 64 * "0"}))
    code, _, err = trainer("--resume", run)
    assert (code, err.count("\n")) == (2, 1)
    assert str(tmp_path / "data") in err
    named = {"a puzzle": ", changed: train/all__inputs.npy", "a missing file": ", missing: task.json"}
    assert f"{named.get(change, '')}; restore the dataset" in err


def test_a_run_that_another_process_trains_is_refused(trainer, trained):
    shutil.rmtree(trained / "checkpoints")
    before = (trained / "metrics.jsonl").read_bytes()
    with RunDirectory(trained).locked():
        code, _, err = trainer("--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert f"{trained}: another process is training here" in err
    assert (trained / "metrics.jsonl").read_bytes() == before
    assert trainer("--resume").code == 0


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
