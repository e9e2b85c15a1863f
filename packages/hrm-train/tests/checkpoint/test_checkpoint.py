"""Checkpoints: what they hold, which are kept, and that no damage to one goes unnoticed."""

import json
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM
from hrm_train import (
    Callback,
    DamagedCheckpointError,
    HRMTrainError,
    InterruptedRunError,
    MissingCheckpointError,
    Position,
    RunDirectory,
    RunInUseError,
    Snapshot,
    TrainStep,
    as_arrays,
    checkpoints,
    load_checkpoint,
    load_checkpoint_model,
    make_train_step,
    save_checkpoint,
    saved_settings,
    step_of,
    train,
)
from hrm_train.checkpoint._manifest import check_manifest, write_manifest
from hrm_train.checkpoint._table_copy import TableCopy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten

FILES = ["SHA256SUMS", "model.safetensors", "state.json", "training.safetensors"]
Make = Callable[..., Any]


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[], RunDirectory]:
    return lambda: RunDirectory.create(tmp_path, "test", {})


@pytest.fixture
def checkpoint(make_model: Make, make_config: Make, tmp_path: Path) -> Path:
    return Snapshot(make_train_step(make_model(), make_config()), Position(3, 4)).write(tmp_path / "made")


def test_paths_may_be_text(make_model: Make, make_puzzles: Make, make_config: Make, tmp_path: Path) -> None:
    step = make_train_step(make_model(), make_config())
    saved = str(save_checkpoint(str(tmp_path / "saved"), step, Position(3, 4)))
    assert checkpoints(str(tmp_path / "saved")) == [Path(saved)]
    assert step_of(saved) == 3
    assert load_checkpoint(saved, step) == (3, 4)
    assert load_checkpoint_model(saved).config == step.model.config
    assert saved_settings(saved) == {}

    run, model = RunDirectory.create(str(tmp_path / "runs"), "test", {}), make_model()
    train(model, make_config(steps=1), make_puzzles(model), lambda _: {}, run)
    assert RunDirectory(str(run.path)).path == RunDirectory.newest(str(tmp_path / "runs")).path == run.path
    train(model, make_config(steps=2), make_puzzles(model), lambda _: {}, run, resume=str(run.newest_checkpoint()))
    assert step_of(run.newest_checkpoint()) == 2


def numbers(tree: Any) -> dict[str, bytes]:
    return {name: np.array(array).tobytes() for name, array in tree_flatten(tree)}


in_one_directory = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", FILES)
@in_one_directory
@given(data=st.data())
def test_a_flipped_bit_anywhere_in_any_file_is_noticed(name: str, checkpoint: Path, data: st.DataObject) -> None:
    whole = (checkpoint / name).read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    (checkpoint / name).write_bytes(damaged)
    with pytest.raises(DamagedCheckpointError, match=str(checkpoint)):
        load_checkpoint_model(checkpoint)
    (checkpoint / name).write_bytes(whole)
    load_checkpoint_model(checkpoint)


@pytest.mark.parametrize("name", FILES)
@in_one_directory
@given(data=st.data())
def test_any_truncation_of_any_file_is_noticed(name: str, checkpoint: Path, data: st.DataObject) -> None:
    whole = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DamagedCheckpointError, match=str(checkpoint)):
        load_checkpoint_model(checkpoint)
    (checkpoint / name).write_bytes(whole)
    load_checkpoint_model(checkpoint)


def test_a_missing_and_an_added_file_are_noticed(checkpoint: Path) -> None:
    assert sorted(path.name for path in checkpoint.iterdir()) == FILES
    (checkpoint / "notes.txt").write_text("mine")
    with pytest.raises(DamagedCheckpointError, match=r"notes\.txt"):
        load_checkpoint_model(checkpoint)
    (checkpoint / "notes.txt").unlink()
    load_checkpoint_model(checkpoint)
    for name in FILES:
        shutil.move(checkpoint / name, checkpoint.parent / name)
        with pytest.raises(HRMTrainError, match=name):
            load_checkpoint_model(checkpoint)
        shutil.move(checkpoint.parent / name, checkpoint / name)


def test_the_sums_are_those_of_sha256sum(checkpoint: Path) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum on this machine")
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=checkpoint, capture_output=True, text=True)
    assert checked.returncode == 0
    assert checked.stdout.count(": OK") == 3


@pytest.mark.parametrize("puzzles", [5, 50_000])
def test_a_snapshot_stays_as_it_was_while_training_goes_on(
    puzzles: int, make_model: Make, make_puzzles: Make, make_config: Make, tmp_path: Path
) -> None:
    model = make_model(num_puzzle_identifiers=puzzles)
    step, batches = make_train_step(model, make_config()), make_puzzles(model)
    for _ in range(3):
        step(as_arrays(next(batches)))
    expected = numbers(step.state)
    snapshot = Snapshot(step, Position(3, 3))
    for _ in range(4):
        step(as_arrays(next(batches)))
    assert numbers(step.state) != expected
    path = snapshot.write(tmp_path)
    assert load_checkpoint(path, step) == (3, 3)
    assert numbers(step.state) == expected


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.sampled_from([1, 7]), rows_a_part=st.integers(1, 5), steps=st.lists(st.integers(0, 2), max_size=6))
def test_a_table_copied_part_by_part_between_steps_is_what_it_was_at_the_beginning(
    rows: int, rows_a_part: int, steps: list[int], make_model: Make, make_puzzles: Make, make_config: Make
) -> None:
    model = make_model(num_puzzle_identifiers=rows)
    step, batches = _trained(model, make_puzzles, make_config)
    expected = np.array(model.puzzle_emb.weight)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as reader:
        patch.setattr("hrm_train.checkpoint._table_copy.PART", rows_a_part * 4 * 16)
        copy = TableCopy(step.table)
        parts = reader.submit(lambda: [np.array(part) for part in copy.parts()])
        for steps_between in steps:
            for _ in range(steps_between):
                step(as_arrays(next(batches)))
            copy.take()
        copy.take_rest()
        assert copy.is_done
        copied = parts.result(timeout=60)
    np.testing.assert_array_equal(np.concatenate(copied), expected)
    assert max(len(part) for part in copied) <= rows_a_part


def test_whoever_reads_a_copy_that_is_given_up_is_told_so_and_nobody_waits(
    make_model: Make, make_puzzles: Make, make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrm_train.checkpoint._table_copy.PART", 1)
    step, _ = _trained(make_model(), make_puzzles, make_config)
    with ThreadPoolExecutor(1) as reader:
        copy = TableCopy(step.table)
        parts = reader.submit(lambda: list(copy.parts()))
        copy.take()
        copy.abandon()
        with pytest.raises(HRMTrainError, match="abandoned"):
            parts.result(timeout=60)
        copy = TableCopy(step.table)
        reader.submit(copy.drop).result(timeout=60)
        copy.take_rest()
    assert copy.is_done


def test_a_copy_that_is_done_outlives_an_error_in_training(
    make_model: Make, make_puzzles: Make, make_config: Make
) -> None:
    model = make_model()
    step, _ = _trained(model, make_puzzles, make_config)
    expected = np.array(model.puzzle_emb.weight)
    copy = TableCopy(step.table)  # a small table is one part
    copy.abandon()
    np.testing.assert_array_equal(np.concatenate([np.array(part) for part in copy.parts()]), expected)


def _trained(model: HRM, make_puzzles: Make, make_config: Make) -> tuple[TrainStep, Any]:
    """A step after two steps, and where its batches come from."""
    step, batches = make_train_step(model, make_config()), make_puzzles(model)
    for _ in range(2):
        step(as_arrays(next(batches)))
    return step, batches


def test_training_and_saving_hold_a_large_puzzle_table_once(
    make_model: Make,
    make_puzzles: Make,
    make_config: Make,
    new_run: Callable[[], RunDirectory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hrm_train.checkpoint._table_copy.PART", 2**20)
    model = make_model(num_puzzle_identifiers=40_000, puzzle_emb_ndim=512)
    run, puzzles = new_run(), make_puzzles(model)
    config = make_config(steps=6, checkpoint_interval=2, global_batch_size=4)
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    train(model, config, puzzles, lambda _: {}, run)
    assert mx.get_peak_memory() - before < model.puzzle_emb.weight.nbytes / 2
    saved = load_checkpoint_model(run.newest_checkpoint())
    assert mx.array_equal(saved.puzzle_emb.weight, model.puzzle_emb.weight)
    assert np.array(model.puzzle_emb.weight).any(axis=1).sum() > 4


def test_what_is_not_finite_is_not_saved(make_model: Make, make_config: Make, tmp_path: Path) -> None:
    step = make_train_step(make_model(), make_config())
    step.optimizer.state["lm_head"]["weight"]["v"] *= mx.inf
    with pytest.raises(HRMTrainError, match=r"optimizer\.lm_head\.weight\.v is not finite, so no checkpoint"):
        Snapshot(step, Position(1, 1))


@pytest.mark.parametrize(("keep_best", "kept"), [("accuracy", [4, 10, 12]), ("none", [10, 12])])
def test_the_newest_and_the_best_by_a_score_are_kept(
    keep_best: str,
    kept: list[int],
    make_model: Make,
    make_puzzles: Make,
    make_config: Make,
    new_run: Callable[[], RunDirectory],
) -> None:
    scores = iter([0.1, 0.9, 0.5, 0.9, 0.3, 0.2])
    model, run = make_model(), new_run()
    config = make_config(eval_interval=2, checkpoint_interval=5, keep_checkpoints=2, keep_best=keep_best)
    train(model, config, make_puzzles(model), lambda _: {"accuracy": next(scores)}, run)
    assert [step_of(path) for path in checkpoints(run.checkpoint_directory)] == kept


def test_the_best_before_a_stop_is_still_the_best_after_it(
    make_model: Make, make_puzzles: Make, make_config: Make, new_run: Callable[[], RunDirectory]
) -> None:
    scores = iter([0.5, 0.9, 0.8, 0.7, 0.6, 0.5])
    run, model = new_run(), make_model()
    config = make_config(eval_interval=2, checkpoint_interval=3, keep_checkpoints=1, keep_best="accuracy")

    class Stop(Callback):
        def evaluated(self, report: Any) -> None:
            if report["step"] == 6:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train(model, config, make_puzzles(model), lambda _: {"accuracy": next(scores)}, run, [Stop()])
    assert [step_of(path) for path in checkpoints(run.checkpoint_directory)] == [4, 6]
    model = make_model()
    resume = run.newest_checkpoint()
    train(model, config, make_puzzles(model), lambda _: {"accuracy": next(scores)}, run, resume=resume)
    assert [step_of(path) for path in checkpoints(run.checkpoint_directory)] == [4, 12]


def test_old_checkpoints_outlive_a_write_that_fails_in_the_background(
    make_model: Make, make_puzzles: Make, make_config: Make, new_run: Callable[[], RunDirectory]
) -> None:
    run, model = new_run(), make_model()

    class InTheWay(Callback):
        """Puts a link to nothing where the second checkpoint is to be written."""

        def reported(self, report: Any) -> None:
            if report["step"] == 5:
                (run.checkpoint_directory / "step-00000006").symlink_to("nothing")

    config = make_config(steps=200, log_interval=1, checkpoint_interval=3, eval_interval=200, keep_checkpoints=1)
    with pytest.raises(HRMTrainError, match=r"step-00000006: the checkpoint could not be written .*; make room") as at:
        train(model, config, make_puzzles(model), lambda _: {}, run, [InTheWay()])
    assert at.value.__cause__ is not None
    (run.checkpoint_directory / "step-00000006").unlink()
    assert [step_of(path) for path in checkpoints(run.checkpoint_directory)] == [3]
    load_checkpoint_model(run.newest_checkpoint())


def test_damaged_checkpoints_are_reported_and_passed_over(
    make_model: Make, make_puzzles: Make, make_config: Make, new_run: Callable[[], RunDirectory]
) -> None:
    run, model = new_run(), make_model()
    config = make_config(checkpoint_interval=3, keep_checkpoints=4)
    train(model, config, make_puzzles(model), lambda _: {}, run)
    end = {name: (run.newest_checkpoint() / name).read_bytes() for name in FILES}
    rng = random.Random(0)
    for step in (12, 9):
        path = run.checkpoint_directory / f"step-{step:08}" / rng.choice(FILES)
        path.write_bytes(path.read_bytes()[:-1])
    problems: list[str] = []
    newest = run.newest_checkpoint(report=problems.append)
    assert step_of(newest) == 6
    assert [("step-00000012 is damaged" in p, "step-00000009 is damaged" in p) for p in problems] == [
        (True, False),
        (False, True),
    ]
    assert all("step-00000006 is used instead" in problem for problem in problems)
    with pytest.warns(UserWarning, match="is damaged"):
        run.newest_checkpoint()

    model = make_model()
    train(model, config, make_puzzles(model), lambda _: {}, run, resume=newest)
    assert {name: (run.newest_checkpoint() / name).read_bytes() for name in FILES} == end
    aside = {path.name for path in run.checkpoint_directory.glob("aside-*")}
    assert aside == {"aside-step-00000009", "aside-step-00000012"}


def test_a_stop_during_an_evaluation_leaves_it_and_it_is_done_after_the_resume(
    make_model: Make, make_puzzles: Make, make_config: Make, new_run: Callable[[], RunDirectory]
) -> None:
    def norm(model: HRM) -> dict[str, float]:
        return {"norm": mx.linalg.norm(model.lm_head.weight).item()}

    def run_with(evaluate: Callable[[HRM], Any], run: RunDirectory, **options: Any) -> list[Any]:
        model = make_model()
        train(model, make_config(eval_interval=4), make_puzzles(model), evaluate, run, **options)
        return [line for line in run.read_metrics() if line["kind"] == "eval"]

    for stop_at in (8, 12):  # in the middle and after the last step
        whole = run_with(norm, new_run())
        finished: list[int] = []

        def evaluate(model: HRM, stop_at: int = stop_at, finished: list[int] = finished) -> dict[str, float]:
            if len(finished) == stop_at // 4 - 1:
                signal.raise_signal(signal.SIGTERM)
            finished.append(1)
            return norm(model)

        stopped = new_run()
        with pytest.raises(InterruptedRunError, match=f"stopped after step {stop_at} of 12"):
            run_with(evaluate, stopped)
        assert len(finished) == stop_at // 4 - 1
        assert not stopped.was_evaluated(stop_at)
        assert run_with(norm, stopped, resume=stopped.newest_checkpoint()) == whole


def test_a_checkpoint_that_training_has_removed_is_not_called_damaged(
    make_model: Make, make_config: Make, new_run: Callable[[], RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, step = new_run(), make_train_step(make_model(), make_config())
    old, new = (save_checkpoint(run.checkpoint_directory, step, Position(number, number)) for number in (1, 2))
    shutil.rmtree(new)
    for read in (load_checkpoint_model, lambda path: load_checkpoint(path, step)):
        with pytest.raises(
            MissingCheckpointError, match=r"step-00000002 does not exist; training keeps only the newest"
        ):
            read(new)
    listed = checkpoints(run.checkpoint_directory)
    monkeypatch.setattr(
        "hrm_train.run._directory.checkpoints", lambda _: [*listed, new] if old.exists() else [later]
    )  # removed between the listing and the reading
    assert run.newest_checkpoint(report=pytest.fail) == old
    later = save_checkpoint(run.checkpoint_directory, step, Position(3, 3))

    def rotated(path: Path) -> None:
        if path != later:
            shutil.rmtree(path, ignore_errors=True)
        check_manifest(path)

    monkeypatch.setattr("hrm_train.run._directory.check_manifest", rotated)
    assert run.newest_checkpoint(report=pytest.fail) == later


def test_arrays_of_training_that_are_damaged_are_an_error_of_ours(
    checkpoint: Path, make_model: Make, make_config: Make
) -> None:
    step = make_train_step(make_model(), make_config())
    path = checkpoint / "training.safetensors"
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-8], b"\x00" * 8 + whole[8:], whole.replace(b"F32", b"F16", 1)):
        path.write_bytes(content)
        write_manifest(checkpoint)  # as whoever changes a file may do
        with pytest.raises(HRMTrainError, match=r"training\.safetensors"):
            load_checkpoint(checkpoint, step)


@pytest.mark.parametrize("part", ["train", "about"])
@pytest.mark.parametrize("value", [2**63, "x", None, [["lr", 1]]])
def test_a_state_with_parts_of_another_kind_is_damaged(part: str, value: Any, checkpoint: Path) -> None:
    file = checkpoint / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), part: value}))
    with pytest.raises(DamagedCheckpointError, match=f"{part} should be an object"):
        saved_settings(checkpoint)


def test_a_run_in_use_or_already_begun_is_refused(
    make_model: Make, make_puzzles: Make, make_config: Make, new_run: Callable[[], RunDirectory]
) -> None:
    run, model = new_run(), make_model()
    with run.locked(), pytest.raises(RunInUseError, match="another process is training here"):
        train(model, make_config(), make_puzzles(model), lambda _: {}, run)
    train(model, make_config(steps=2), make_puzzles(model), lambda _: {}, run)
    with pytest.raises(HRMTrainError, match="has checkpoints already"):
        train(model, make_config(), make_puzzles(model), lambda _: {}, run)


def test_a_run_that_cannot_be_written_to_says_so(new_run: Callable[[], RunDirectory]) -> None:
    run = new_run()
    (run.path / "lock").mkdir()
    with pytest.raises(HRMTrainError, match=f"{run.path}: cannot be written to .*; make it writable"), run.locked():
        pass


def test_a_damaged_line_of_metrics_is_named(new_run: Callable[[], RunDirectory]) -> None:
    run = new_run()
    run.append_metrics({"kind": "train", "step": 1})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(b"\xff\n")
    with pytest.raises(HRMTrainError, match=r"metrics\.jsonl: line 2 is .* remove the line"):
        run.read_metrics()


def test_settings_of_a_run_are_read_back_from_its_checkpoints(
    make_model: Make, make_puzzles: Make, make_config: Make, new_run: Callable[[], RunDirectory]
) -> None:
    run, model, config = new_run(), make_model(), make_config(steps=1)
    train(model, config, make_puzzles(model), lambda _: {}, run, about={"data": {"box": [2, 2]}})
    found = saved_settings(run.newest_checkpoint())
    assert found == {"data": {"box": [2, 2]}, "train": config.model_dump(mode="json")}
