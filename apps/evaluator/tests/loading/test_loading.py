"""Finding and opening checkpoints, datasets and tasks, and what is said where one is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import pytest
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_train import RunDirectory
from hrm_train.checkpoint._manifest import write_manifest

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def copied(run: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A run to break."""
    shutil.copytree(run.path, tmp_path / "runs" / run.path.name)
    return RunDirectory(tmp_path / "runs" / run.path.name)


def rewrite(run: RunDirectory, **entries: Any) -> None:
    content = {**run.config, **entries}
    (run.path / "config.json").write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def refused(evaluator: Call, *args: object) -> str:
    code, out, err = evaluator(*args)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    return err


def test_run_checkpoint_and_weights_file_name_the_same_model(
    run: RunDirectory, evaluator_json: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = run.checkpoint_directory / "step-00000004"
    by_run = evaluator_json("--checkpoint", run.path)
    by_step = evaluator_json("--checkpoint", step)
    by_file = evaluator_json("--checkpoint", step / "model.safetensors")
    monkeypatch.chdir(run.path.parent.parent)
    newest = evaluator_json()
    for found in (by_run, by_step, by_file, newest):
        assert Path(found.pop("checkpoint")).resolve() == (step / "model.safetensors").resolve()
        del found["puzzles_per_second"], found["efforts"]  # times differ
    assert by_run == by_step == by_file == newest


def test_an_earlier_checkpoint_can_be_chosen(
    run: RunDirectory, evaluator_json: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    found = evaluator_json("--checkpoint", run.checkpoint_directory / "step-00000002")
    assert "step-00000002" in found["checkpoint"]


def test_the_newest_run_is_taken(
    run: RunDirectory,
    dataset: Path,
    tmp_path: Path,
    evaluator_json: Callable[..., dict[str, Any]],
) -> None:
    for name in ("b-old", "a-new"):  # by time, not by name
        shutil.copytree(run.path, tmp_path / name)
        (tmp_path / name / "config.json").write_text((run.path / "config.json").read_text())
    assert "a-new" in evaluator_json("--runs", tmp_path)["checkpoint"]


def test_without_a_run_one_is_asked_for(tmp_path: Path, evaluator: Call) -> None:
    err = refused(evaluator, "--runs", tmp_path / "runs")
    assert f"{tmp_path / 'runs'}: holds no run yet" in err
    assert "--checkpoint" in err


def test_a_run_without_a_checkpoint_says_so(copied: RunDirectory, evaluator: Call) -> None:
    shutil.rmtree(copied.checkpoint_directory)
    assert "has no checkpoint yet" in refused(evaluator, "--runs", copied.path.parent)
    assert "has no checkpoint yet" in refused(evaluator, "--checkpoint", copied.path)


def test_a_path_that_is_no_checkpoint_is_named(tmp_path: Path, dataset: Path, evaluator: Call) -> None:
    missing = tmp_path / "missing"
    assert f"--checkpoint {missing}: does not exist" in refused(evaluator, "--checkpoint", missing)
    assert f"--checkpoint {dataset}: has neither" in refused(evaluator, "--checkpoint", dataset)
    text = tmp_path / "model.safetensors"
    text.write_text("not weights")
    assert str(text) in refused(evaluator, "--checkpoint", text)


@pytest.mark.parametrize("kept", [0, 5, 200, -1000, -1])
def test_a_checkpoint_that_is_cut_short_is_named(copied: RunDirectory, kept: int, evaluator: Call) -> None:
    weights = copied.newest_checkpoint() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    err = refused(evaluator, "--checkpoint", weights.parent)
    assert str(weights.parent) in err
    assert weights.name in err


def test_of_a_run_whose_newest_checkpoint_is_damaged_the_one_before_is_used_and_said(
    copied: RunDirectory, evaluator: Call
) -> None:
    newest = copied.newest_checkpoint()
    state = newest / "training.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    code, out, err = evaluator("--checkpoint", copied.path)
    assert code == 0
    assert "step-00000002/model.safetensors" in out
    assert f"{newest} is damaged: training.safetensors" in err
    assert "step-00000002 is used instead" in err


def test_of_a_run_without_a_whole_checkpoint_each_is_named(copied: RunDirectory, evaluator: Call) -> None:
    for path in copied.checkpoint_directory.iterdir():
        (path / "state.json").unlink()
    err = refused(evaluator, "--checkpoint", copied.path)
    assert "step-00000002 is damaged" in err
    assert "step-00000004 is damaged" in err


def test_a_missing_dataset_says_who_named_it(copied: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    gone = tmp_path / "gone"
    assert str(gone) in refused(evaluator, "--checkpoint", copied.path, "--data-path", gone)
    rewrite(copied, data_path=str(gone))
    err = refused(evaluator, "--checkpoint", copied.path)
    assert str(gone) in err
    assert str(copied.path / "config.json") in err
    assert "--data-path" in err


def test_a_run_that_names_no_dataset_needs_one(copied: RunDirectory, dataset: Path, evaluator: Call) -> None:
    rewrite(copied, data_path=None)
    assert "--data-path" in refused(evaluator, "--checkpoint", copied.path)
    assert evaluator("--checkpoint", copied.path, "--data-path", dataset)[0] == 0


def test_a_damaged_configuration_is_named(copied: RunDirectory, evaluator: Call) -> None:
    rewrite(copied, data_path=3)
    assert "data_path is 3" in refused(evaluator, "--checkpoint", copied.path)
    (copied.path / "config.json").write_text("{")
    assert "config.json" in refused(evaluator, "--checkpoint", copied.path)


def test_weights_alone_need_a_dataset(run: RunDirectory, dataset: Path, tmp_path: Path, evaluator: Call) -> None:
    weights = tmp_path / "alone.safetensors"
    shutil.copy(run.newest_checkpoint() / "model.safetensors", weights)
    assert "--data-path" in refused(evaluator, "--checkpoint", weights)
    assert evaluator("--checkpoint", weights, "--data-path", dataset)[0] == 0
    assert "--data-path" in refused(evaluator, "solve", "1" + 15 * ".", "--checkpoint", weights)
    assert evaluator("solve", "1" + 15 * ".", "--checkpoint", weights, "--data-path", dataset)[0] in (0, 1)


def test_a_dataset_of_other_boards_names_both_sides(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    other = build_sudoku(tmp_path / "6x6", SudokuOptions(box=(2, 3), train=1, test=2))
    err = refused(evaluator, "--checkpoint", run.path, "--data-path", other)
    assert "seq_len is 36 in the dataset, but 16 in" in err


@pytest.mark.parametrize("field", ["vocab_size", "num_puzzle_identifiers"])
def test_a_dataset_of_other_sizes_names_both_sides(
    field: str, run: RunDirectory, dataset: Path, tmp_path: Path, evaluator: Call
) -> None:
    other = tmp_path / "other"
    shutil.copytree(dataset, other)
    (other / "identifiers.json").unlink()
    metadata = json.loads((other / "test" / "dataset.json").read_text())
    ours = metadata[field]
    (other / "test" / "dataset.json").write_text(json.dumps({**metadata, field: ours + 7}))
    err = refused(evaluator, "--checkpoint", run.path, "--data-path", other)
    assert f"{field} is {ours + 7} in the dataset, but {ours} in" in err


def test_an_empty_test_split_is_named(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    empty = build_sudoku(tmp_path / "empty", SudokuOptions(box=(2, 2), train=1, test=0))
    assert f"{empty}: its test split has no puzzles" in refused(
        evaluator, "--checkpoint", run.path, "--data-path", empty
    )


def weights_with(path: Path, *, config: Callable[[dict[str, Any]], object] | None = None, **metadata: str) -> None:
    """Write the weights of a file anew, with other metadata."""
    arrays, found = cast(tuple[dict[str, mx.array], dict[str, str]], mx.load(str(path), return_metadata=True))
    mx.eval(arrays)
    if config is not None:
        content = json.loads(found["config"])
        config(content)
        found["config"] = json.dumps(content)
    mx.save_safetensors(str(path), arrays, metadata=found if config is not None else metadata)


@pytest.fixture
def alone(run: RunDirectory, tmp_path: Path) -> Path:
    """Weights outside of any checkpoint, to break."""
    return Path(shutil.copy(run.newest_checkpoint() / "model.safetensors", tmp_path / "alone.safetensors"))


@pytest.mark.parametrize("command", [[], ["solve", "1" + 15 * "."]])
def test_weights_without_configuration_are_named(
    command: list[str], alone: Path, dataset: Path, evaluator: Call
) -> None:
    weights_with(alone, format="mlx")
    err = refused(evaluator, *command, "--checkpoint", alone, "--data-path", dataset)
    assert f"{alone}: has no 'config' in its metadata" in err


def test_weights_of_a_newer_version_say_what_is_new(alone: Path, dataset: Path, evaluator: Call) -> None:
    weights_with(alone, config=lambda content: content.update(third_module=True))
    err = refused(evaluator, "--checkpoint", alone, "--data-path", dataset)
    assert f"{alone}: its configuration is not valid: this version does not know third_module" in err
    assert "upgrade hrm-model" in err


def test_a_configuration_that_is_wrong_names_field_and_value(alone: Path, dataset: Path, evaluator: Call) -> None:
    weights_with(alone, config=lambda content: content.update(hidden_size=-3))
    err = refused(evaluator, "--checkpoint", alone, "--data-path", dataset)
    assert "hidden_size" in err
    assert "but is -3" in err


def test_weights_that_do_not_fit_their_configuration_name_both(alone: Path, dataset: Path, evaluator: Call) -> None:
    weights_with(alone, config=lambda content: content.update(vocab_size=9))
    err = refused(evaluator, "--checkpoint", alone, "--data-path", dataset)
    assert "should have shape (9, 32), but has (6, 32)" in err


def test_a_checkpoint_of_a_newer_version_is_named(copied: RunDirectory, evaluator: Call) -> None:
    newest = copied.newest_checkpoint()
    state = json.loads((newest / "state.json").read_text())
    (newest / "state.json").write_text(json.dumps({**state, "format": 99}))
    write_manifest(newest)
    for path in (newest, copied.path):
        err = refused(evaluator, "--checkpoint", path)
        assert f"{newest / 'state.json'}: format 99 is newer than this version reads (2)" in err


def test_a_run_of_another_task_names_both_sides(copied: RunDirectory, evaluator: Call) -> None:
    rewrite(copied, task={"task": "sudoku", "box": [3, 3]})
    err = refused(evaluator, "solve", "." * 81, "--checkpoint", copied.path)
    assert "seq_len is 81 for the task sudoku-3x3, but 16 in" in err
    assert "model.safetensors" in err
    rewrite(copied, task={"task": "crossword"})
    assert "task 'crossword' is unknown; known tasks are" in refused(
        evaluator, "solve", "." * 16, "--checkpoint", copied.path
    )


def test_a_task_that_is_named_has_to_fit_and_to_exist(run: RunDirectory, alone: Path, evaluator: Call) -> None:
    err = refused(evaluator, "solve", "." * 16, "--checkpoint", alone, "--task", "sudoku")
    assert f"seq_len is 81 for the task sudoku-3x3, but 16 in {alone}" in err
    err = refused(evaluator, "solve", "." * 16, "--checkpoint", alone, "--task", "suduko")
    assert "'suduko'" in err


def test_a_temporary_directory_that_is_not_there_is_named(
    run: RunDirectory, evaluator: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    code, out, err = evaluator("--checkpoint", run.path)
    assert (code, out) == (2, "")
    assert err == (
        "evaluator: TMPDIR is /nowhere, which is no directory, and MLX compiles there; make it, or unset TMPDIR\n"
    )


def test_what_mlx_cannot_do_is_one_line(
    run: RunDirectory, evaluator: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError('[Compile::eval_cpu] Failed to compile function F: "g++ F.cpp", the output is: no luck\n')

    monkeypatch.setattr("hrm_evaluator.commands.evaluate.evaluate", fails)
    code, _, err = evaluator("--checkpoint", run.path)
    assert code == 1
    assert "g++ cannot compile MLX's kernels (no luck); repair it" in err
    assert "set MLX_DISABLE_COMPILE=1" in err
    assert err.count("\n") == 1
