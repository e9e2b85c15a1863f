"""A run that is stopped, or that breaks, goes on as if nothing had happened."""

import json
import math
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM
from hrm_train import (
    HRMTrainError,
    InterruptedRunError,
    RunDirectory,
    TrainConfig,
    checkpoints,
    load_checkpoint,
    load_checkpoint_model,
    make_train_step,
    train,
)
from hrm_train.checkpoint._manifest import write_manifest
from mlx.utils import tree_flatten


class Interrupting:
    """Hands out another source's batches, and does something at one position."""

    def __init__(self, source: Any, at: int, act: Callable[[], object]) -> None:
        self.source, self.at, self.act = source, at, act

    @property
    def position(self) -> int:
        return self.source.position

    @position.setter
    def position(self, value: int) -> None:
        self.source.position = value

    def __next__(self) -> Any:
        if self.position == self.at:
            self.act()
        return next(self.source)


def evaluate(model: HRM) -> dict[str, float]:
    return {"weight_norm": mx.linalg.norm(model.lm_head.weight).item()}


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[], RunDirectory]:
    return lambda: RunDirectory.create(tmp_path, "test", {})


Setup = tuple[Callable[..., HRM], Callable[[HRM], Any], Callable[..., TrainConfig], Callable[[], RunDirectory]]


@pytest.fixture
def setup(make_model: Any, make_puzzles: Any, make_config: Any, new_run: Any) -> Setup:
    return make_model, make_puzzles, make_config, new_run


def trained(setup: Setup, stopped: RunDirectory | None = None, **changes: Any) -> RunDirectory:
    """Train a run to its end: a new one, or one that was stopped."""
    make_model, make_puzzles, make_config, new_run = setup
    run, model = stopped or new_run(), make_model()
    resume = stopped and stopped.newest_checkpoint()
    train(model, make_config(**changes), make_puzzles(model), evaluate, run, resume=resume)
    return run


def arrays_of(run: RunDirectory) -> Iterator[tuple[str, mx.array]]:
    for name in ("model", "training"):
        yield from sorted(mx.load(str(run.newest_checkpoint() / f"{name}.safetensors")).items())


def assert_same_end(one: RunDirectory, other: RunDirectory) -> None:
    assert one.newest_checkpoint().name == other.newest_checkpoint().name == "step-00000012"
    for (name, a), (other_name, b) in zip(arrays_of(one), arrays_of(other), strict=True):
        assert name == other_name
        assert np.array(a).tobytes() == np.array(b).tobytes(), name


def timeless(run: RunDirectory) -> list[dict[str, Any]]:
    varying = ("steps_per_second", "puzzles_per_second", "model_flops_utilisation", "data_wait", "memory_gib")
    return [{k: v for k, v in line.items() if k not in varying} for line in run.read_metrics()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_stopped_by_a_signal_and_resumed_equals_one_never_stopped_bit_for_bit(
    number: signal.Signals, setup: Setup
) -> None:
    whole = trained(setup)
    make_model, make_puzzles, make_config, new_run = setup
    stopped, model = new_run(), make_model()
    source = Interrupting(make_puzzles(model), at=4, act=lambda: signal.raise_signal(number))
    with pytest.raises(InterruptedRunError, match="stopped after step 5 of 12"):
        train(model, make_config(), source, evaluate, stopped)
    assert [path.name for path in checkpoints(stopped.checkpoint_directory)] == ["step-00000005"]
    trained(setup, stopped)
    assert_same_end(whole, stopped)
    assert timeless(whole) == timeless(stopped)


def test_a_run_that_broke_between_checkpoints_equals_one_that_did_not(setup: Setup) -> None:
    settings = {"checkpoint_interval": 5, "log_interval": 1}
    whole = trained(setup, **settings)
    make_model, make_puzzles, make_config, new_run = setup
    broken, model = new_run(), make_model()

    def fail() -> None:
        raise OSError("the data went away")

    with pytest.raises(OSError, match="the data went away"):
        train(model, make_config(**settings), Interrupting(make_puzzles(model), 8, fail), evaluate, broken)
    assert [m["step"] for m in broken.read_metrics() if m["kind"] == "train"] == list(range(1, 9))
    with (broken.path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "st')  # a line that a crash cut off
    trained(setup, broken, **settings)
    assert [m["step"] for m in broken.read_metrics() if m["kind"] == "train"] == list(range(1, 13))
    assert_same_end(whole, broken)
    assert timeless(whole) == timeless(broken)


def test_a_run_with_fewer_steps_than_are_done_ends_at_once_with_its_evaluation(setup: Setup) -> None:
    run = trained(setup, steps=12, eval_interval=100)
    kept = [path.name for path in checkpoints(run.checkpoint_directory)]
    trained(setup, run, steps=5, eval_interval=5)
    assert [path.name for path in checkpoints(run.checkpoint_directory)] == kept
    assert [m["step"] for m in run.read_metrics() if m["kind"] == "eval"] == [12]


def test_training_takes_at_most_act_steps(setup: Setup) -> None:
    halted = [m["halting_steps"] for m in trained(setup, act_steps=2).read_metrics() if m["kind"] == "train"]
    assert sum(map(sum, halted)) > 0
    assert all(not any(counts[2:]) for counts in halted)


def test_signal_handlers_are_put_back(setup: Setup) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    trained(setup)
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_metrics_come_at_their_intervals_and_at_the_end(setup: Setup) -> None:
    lines = trained(setup, steps=10).read_metrics()
    assert [m["step"] for m in lines if m["kind"] == "train"] == [4, 8, 10]
    assert [m["step"] for m in lines if m["kind"] == "eval"] == [6, 10]
    assert all(math.isfinite(value) for m in lines for value in m.values() if isinstance(value, int | float))


def test_the_newest_checkpoints_are_kept_and_older_ones_removed(setup: Setup) -> None:
    run = trained(setup, checkpoint_interval=3, keep_checkpoints=2)
    kept = [path.name for path in checkpoints(run.checkpoint_directory)]
    assert kept == ["step-00000009", "step-00000012"]
    assert sorted(path.name for path in run.checkpoint_directory.iterdir()) == kept


def test_a_checkpoint_comes_back_bit_for_bit(setup: Setup) -> None:
    run = trained(setup)
    make_model, _, make_config, _ = setup
    step = make_train_step(make_model(), make_config())
    assert load_checkpoint(run.newest_checkpoint(), step) == (12, 12)
    saved = dict(arrays_of(run))
    for name, array in tree_flatten(step.state):
        expected = saved[name.removeprefix("model.")]
        assert np.array(array).tobytes() == np.array(expected).tobytes(), name
    loaded = dict(tree_flatten(load_checkpoint_model(run.newest_checkpoint()).parameters()))
    assert all(mx.array_equal(array, saved[name]) for name, array in loaded.items())


def flip_a_bit(path: Path, at: int = -5) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "state.json", "SHA256SUMS"])
@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(path.read_bytes()[:60]),
        flip_a_bit,
        lambda path: flip_a_bit(path, 0),
    ],
    ids=["missing", "empty", "cut at the end", "cut at the start", "last bits flipped", "first bits flipped"],
)
def test_a_damaged_checkpoint_is_refused_by_name_and_changes_nothing(
    name: str, spoil: Callable[[Path], object], setup: Setup
) -> None:
    checkpoint = trained(setup, steps=1).newest_checkpoint()
    spoil(checkpoint / name)
    make_model, _, make_config, _ = setup
    step = make_train_step(make_model(), make_config())
    before = {key: np.array(array) for key, array in tree_flatten(step.state)}
    with pytest.raises(HRMTrainError) as caught:
        load_checkpoint(checkpoint, step)
    assert name in str(caught.value)
    assert all(np.array_equal(before[key], np.array(array)) for key, array in tree_flatten(step.state))
    if name == "model.safetensors":
        with pytest.raises(HRMTrainError, match=name):
            load_checkpoint_model(checkpoint)


def test_a_checkpoint_of_another_model_or_other_slots_is_refused(setup: Setup) -> None:
    checkpoint = trained(setup, steps=1).newest_checkpoint()
    make_model, _, make_config, _ = setup
    with pytest.raises(HRMTrainError, match="holds another model: H_layers is 1, but 2 in the run; resume with"):
        load_checkpoint(checkpoint, make_train_step(make_model(H_layers=2), make_config()))
    with pytest.raises(HRMTrainError, match=r"training\.safetensors: carry\..* should have shape"):
        load_checkpoint(checkpoint, make_train_step(make_model(), make_config(global_batch_size=2)))


@pytest.mark.parametrize(
    ("format_", "message"),
    [(99, "is newer .* upgrade hrm-train"), (1, "is older .* resume with the version .* wrote it")],
)
def test_a_checkpoint_of_another_format_names_the_version_to_use(setup: Setup, format_: int, message: str) -> None:
    state = trained(setup, steps=1).newest_checkpoint() / "state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "format": format_}))
    write_manifest(state.parent)
    make_model, _, make_config, _ = setup
    with pytest.raises(HRMTrainError, match=rf"state\.json: format {format_} {message}"):
        load_checkpoint(state.parent, make_train_step(make_model(), make_config()))


def test_a_run_without_checkpoint_or_no_run_at_all_says_so(new_run: Callable[[], RunDirectory], tmp_path: Path) -> None:
    with pytest.raises(HRMTrainError, match="has no checkpoint yet"):
        new_run().newest_checkpoint()
    with pytest.raises(HRMTrainError, match=r"is no run, it has no config\.json"):
        RunDirectory(tmp_path)
    with pytest.raises(HRMTrainError, match="holds no run yet"):
        RunDirectory.newest(tmp_path / "nowhere")


def test_runs_of_one_second_have_names_of_their_own(new_run: Callable[[], RunDirectory]) -> None:
    assert len({new_run().path for _ in range(5)}) == 5
