"""The reference's numbers come out, and a wrong number is noticed."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_ops import log_stablemax, truncated_normal
from hrm_train import cross_entropy

FIXTURES = Path(__file__).parent / "fixtures"
CASES = ["rope_stablemax", "learned_softmax"]
Arrays = dict[str, np.ndarray]


def _load_replay() -> Any:
    spec = importlib.util.spec_from_file_location("parity_replay", Path(__file__).with_name("replay.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay = _load_replay()


@pytest.fixture
def changed_case(tmp_path: Path) -> Callable[[Callable[[Arrays], None]], Path]:
    """Return a function that copies a case, changes its arrays, and gives the copy's path."""

    def copy(change: Callable[[Arrays], None]) -> Path:
        with np.load(FIXTURES / "learned_softmax.npz") as file:
            arrays = dict(file.items())
        change(arrays)
        np.savez(tmp_path / "case.npz", **arrays)
        shutil.copy(FIXTURES / "learned_softmax.json", tmp_path / "case.json")
        return tmp_path / "case.npz"

    return copy


@pytest.mark.parametrize("case", CASES)
def test_every_number_of_the_reference_comes_out(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main([str(FIXTURES / f"{case}.npz")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{len(lines) - 1} quantities, 0 out of tolerance"
    compared = {line.split()[0] for line in lines}
    assert {
        "loss",
        "outputs/logits",
        "outputs/target_q_continue",
        "carry/halted",
        "grad/L_level.layers.1.mlp.down_proj.weight",
        "final/H_init",
        "compiled/final/lm_head.weight",
        "compiled/carry/z_L",
        "eval/metrics/lm_loss",
        "predictor/outputs/logits",
    } <= compared
    prefix = {"grad/puzzle_emb_rows", "final/puzzle_emb.weight", "compiled/final/puzzle_emb.weight"}
    assert (prefix <= compared) == (case == "rope_stablemax")


def test_the_command_replays_a_case_and_exits_with_0() -> None:
    command = [sys.executable, str(Path(__file__).with_name("replay.py")), str(FIXTURES / "rope_stablemax.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def failures(path: Path, capsys: pytest.CaptureFixture[str]) -> set[str]:
    assert replay.main([str(path)]) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {line[0] for line in lines if line[-1] == "FAIL"}


def test_one_wrong_number_fails_by_name_and_nothing_else_does(
    changed_case: Callable[[Callable[[Arrays], None]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def disturb(arrays: Arrays) -> None:
        for key, index in [
            ("final/model.inner.H_level.layers.0.mlp.down_proj.weight", (3, 5)),
            ("final/model.inner.H_init", (0,)),
            ("step4/grad/model.inner.embed_pos.embedding_weight", (2, 1)),
            ("step1/outputs/q_halt_logits", (1,)),
            ("step2/carry/z_L", (0, 0, 0)),
            ("step3/loss", ()),
            ("eval/metrics/lm_loss", ()),
        ]:
            array = arrays[key].copy()
            array[index] += 2e-2 * np.abs(array).max()
            arrays[key] = array

    failed = failures(changed_case(disturb), capsys)
    # What evaluation gives follows from the final weights.
    assert {name for name in failed if not name.startswith(("eval/", "predictor/"))} == {
        "final/H_level.layers.0.mlp.down_proj.weight",
        "compiled/final/H_level.layers.0.mlp.down_proj.weight",
        "final/H_init",
        "compiled/final/H_init",
        "grad/embed_pos.weight",
        "outputs/q_halt_logits",
        "carry/z_L",
        "compiled/carry/z_L",
        "loss",
        "compiled/loss",
    }
    assert "eval/metrics/lm_loss" in failed


def test_wrong_decisions_and_shapes_and_nans_and_missing_gradients_fail_by_name(
    changed_case: Callable[[Callable[[Arrays], None]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def disturb(arrays: Arrays) -> None:
        arrays["step1/carry/halted"] = ~arrays["step1/carry/halted"]
        arrays["step1/carry/steps"] = arrays["step1/carry/steps"] + 1
        arrays["step2/outputs/logits"] = arrays["step2/outputs/logits"][:2]
        arrays["step2/outputs/target_q_continue"] = np.full(4, np.nan, np.float32)
        arrays["step3/metrics/count"] = arrays["step3/metrics/count"] + 1
        arrays["step3/metrics/unheard_of"] = np.zeros(())
        del arrays["step4/grad/model.inner.lm_head.weight"]

    assert failures(changed_case(disturb), capsys) == {
        "carry/halted",
        "carry/steps",
        "compiled/carry/halted",
        "compiled/carry/steps",
        "outputs/logits",
        "outputs/target_q_continue",
        "metrics/count",
        "compiled/metrics/count",
        "metrics/unheard_of",
        "grad/lm_head.weight",
    }


def test_a_wrong_initial_weight_shows_in_the_outputs(
    changed_case: Callable[[Callable[[Arrays], None]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def disturb(arrays: Arrays) -> None:
        arrays["init/model.inner.lm_head.weight"] = arrays["init/model.inner.lm_head.weight"] * 1.01

    assert {"outputs/logits", "loss"} <= failures(changed_case(disturb), capsys)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.with_suffix(".json").unlink(), "case.json: cannot be read"),
        (lambda path: path.write_bytes(b"not an archive"), "is no npz file"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "is no npz file"),
        (lambda path: path.with_suffix(".json").write_text("{"), "is no case's description"),
        (lambda path: path.with_suffix(".json").write_text("{}"), "has no 'config'"),
        (lambda path: _set(path, "loss_type", "hinge"), "loss_type 'hinge' is not known"),
        (lambda path: _set(path, "steps", 5), "has no step5/batch/inputs"),
        (lambda path: _set(path, "batch_size", 3), "step1/batch/inputs should have shape (3, 16)"),
        (lambda path: _drop(path, "init/model.inner.lm_head.weight"), "has no init/lm_head.weight"),
        (lambda path: _drop(path, "step2/outputs/logits"), "has no step2/outputs/logits"),
        (lambda path: _drop(path, "final/model.inner.q_head.bias"), "has no final/q_head.bias"),
    ],
)
def test_an_unusable_case_gives_one_message_and_exits_with_2(
    spoil: Callable[[Path], object],
    says: str,
    changed_case: Callable[[Callable[[Arrays], None]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = changed_case(lambda _: None)
    spoil(path)
    assert replay.main([str(path)]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def _set(path: Path, key: str, value: object) -> None:
    file = path.with_suffix(".json")
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))


def _drop(path: Path, key: str) -> None:
    with np.load(path) as file:
        arrays = {name: array for name, array in file.items() if name != key}
    np.savez(path, **arrays)


@pytest.fixture(scope="module")
def primitives() -> Arrays:
    with np.load(FIXTURES / "primitives.npz") as file:
        return dict(file.items())


def test_log_stablemax_in_float64_is_the_references(primitives: Arrays) -> None:
    with mx.stream(mx.cpu):  # the only device that has float64
        ours = np.array(log_stablemax(mx.array(primitives["logits"].astype(np.float64), mx.float64)))
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, primitives["log_stablemax"], rtol=1e-12)


@pytest.mark.parametrize("name", ["stablemax", "softmax"])
def test_cross_entropy_is_the_references_and_zero_where_ignored(name: str, primitives: Arrays) -> None:
    labels = primitives["labels"]
    ours = np.array(cross_entropy(mx.array(primitives["logits"]), mx.array(labels), f"{name}_cross_entropy"))
    assert (labels == -100).any()
    assert not ours[labels == -100].any()
    np.testing.assert_allclose(ours, primitives[f"{name}_ce"], rtol=1e-5, atol=1e-6)


def test_truncated_normal_has_the_references_std_and_bound(primitives: Arrays) -> None:
    sample = np.array(truncated_normal((1_000_000,), std=0.7, key=mx.random.key(0)))
    assert sample.std() == pytest.approx(float(primitives["trunc_normal_std"]), rel=5e-3)
    assert np.abs(sample).max() == pytest.approx(float(primitives["trunc_normal_max"]), rel=5e-3)
