from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import Batch, get_task, open_dataset
from hrm_evaluator._score import score_dataset
from hrm_model import HRM, Answer, ContinuousPredictor, HaltingRule, Thought, load_model
from hrm_train import RunDirectory

Call = Callable[..., tuple[int, str, str]]
CallJson = Callable[..., dict[str, Any]]


class Oracle:
    """Stands in for a predictor: answers the test split, with a mistake in every puzzle of a number of clues."""

    def __init__(self, dataset: Path, wrong_clues: int = -1) -> None:
        data = open_dataset(dataset, "test").sets["all"]
        self.solutions = {i.tobytes(): s for i, s in zip(data.inputs, data.labels, strict=True)}
        self.wrong_clues = wrong_clues
        self.sizes: list[int] = []

    def made(self, model: HRM, batch_size: int, halting: HaltingRule, max_steps: int | None, trace: bool) -> Oracle:
        assert trace
        self.model, self.batch_size, self.halting, self.max_steps = model, batch_size, halting, max_steps or 3
        return self

    def prepare(self, puzzles: int) -> None: ...

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Answer]:
        """Answer the second time, having copied the puzzle at first."""
        for batch in batches:
            self.sizes.append(len(batch["inputs"]))
            for inputs in batch["inputs"].astype(np.uint8):
                answer = self.solutions[inputs.tobytes()].copy()
                is_wrong = np.count_nonzero(inputs > 1) == self.wrong_clues
                if is_wrong:
                    answer[0] = 7 - answer[0]  # tokens 2..5
                sure = -1.0 if is_wrong else 1.0
                first = Thought(inputs.tolist(), -1.0, 1.0)
                last = Thought(answer.tolist(), sure, -sure)
                yield Answer(last.tokens, 2, sure, -sure, (first, last))


@pytest.fixture
def model(run: RunDirectory) -> HRM:
    return load_model(run.newest_checkpoint() / "model.safetensors")


@pytest.fixture
def oracle(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    made = Oracle(dataset)
    monkeypatch.setattr("hrm_evaluator._open.ContinuousPredictor", made.made)
    return made


def clues_of(dataset: Path) -> list[int]:
    return np.count_nonzero(open_dataset(dataset, "test").sets["all"].inputs > 1, axis=1).tolist()


def test_a_perfect_model_scores_one_everywhere(
    run: RunDirectory, dataset: Path, oracle: Oracle, evaluator_json: CallJson
) -> None:
    found = evaluator_json("--checkpoint", run.path)
    assert found["puzzles"] == 11
    assert found["accuracy"] == found["exact_accuracy"] == found["halting_accuracy"] == 1
    assert (found["mean_steps"], found["halt_max_steps"]) == (2, 3)
    assert found["puzzles_per_second"] > 0
    assert len(found["boards"]) == 3
    assert all(board["prediction"] == board["solution"] for board in found["boards"])


def test_accuracy_is_told_by_the_number_of_clues(
    run: RunDirectory, dataset: Path, oracle: Oracle, evaluator_json: CallJson
) -> None:
    clues = clues_of(dataset)
    oracle.wrong_clues = clues[0]
    found = evaluator_json("--checkpoint", run.path)
    assert {row["clues"]: row["puzzles"] for row in found["by_clues"]} == {n: clues.count(n) for n in sorted(clues)}
    for row in found["by_clues"]:
        is_wrong = row["clues"] == clues[0]
        assert row["exact_accuracy"] == (0 if is_wrong else 1)
        assert row["accuracy"] == (15 / 16 if is_wrong else 1)
    assert found["exact_accuracy"] == pytest.approx(1 - clues.count(clues[0]) / 11)


@pytest.mark.parametrize("limit", [1, 4, 11, 12])
@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_a_limit_scores_the_first_puzzles_whatever_the_batch_size(
    limit: int, batch_size: int, run: RunDirectory, dataset: Path, oracle: Oracle, evaluator_json: CallJson
) -> None:
    clues = clues_of(dataset)[:limit]
    oracle.wrong_clues = clues[0]
    found = evaluator_json("--checkpoint", run.path, "--limit", limit, "--batch-size", batch_size)
    assert found["puzzles"] == len(clues)
    assert found["exact_accuracy"] == pytest.approx(1 - clues.count(clues[0]) / len(clues))
    assert max(oracle.sizes) <= batch_size


def test_the_batch_size_changes_no_score(run: RunDirectory, dataset: Path, model: HRM) -> None:
    task = get_task(dataset)
    data = open_dataset(dataset, "test")
    whole, parts = (score_dataset(ContinuousPredictor(model, n, trace=True), data, task, keep=11) for n in (16, 3))
    assert whole.score.means() == pytest.approx(parts.score.means())
    assert whole.by_measure == parts.by_measure
    assert (whole.by_step, whole.halted) == (parts.by_step, parts.halted)
    for one, other in zip(whole.examples, parts.examples, strict=True):
        np.testing.assert_array_equal(one.puzzle, other.puzzle)
        np.testing.assert_array_equal(one.answer, other.answer)


def test_the_tally_by_clues_adds_up_to_the_score(run: RunDirectory, dataset: Path, model: HRM) -> None:
    predictor = ContinuousPredictor(model, 4, trace=True)
    result = score_dataset(predictor, open_dataset(dataset, "test"), get_task(dataset))
    assert sum(tally.puzzles for tally in result.by_measure.values()) == result.score.count
    assert sum(tally.exact for tally in result.by_measure.values()) == result.score.exact_accuracy
    assert sum(tally.accuracy for tally in result.by_measure.values()) == pytest.approx(result.score.accuracy)


def test_the_report_names_model_dataset_and_scores(
    run: RunDirectory, dataset: Path, oracle: Oracle, evaluator: Call
) -> None:
    oracle.wrong_clues = clues_of(dataset)[0]
    code, out, err = evaluator("--checkpoint", run.path, "--show", 2)
    assert code == 0
    assert str(run.path) in out
    assert str(dataset) in out
    for name in ("puzzles", "accuracy", "exact accuracy", "mean steps", "halting accuracy", "puzzles per second"):
        assert name in out
    assert "1: 1 of 16 cells wrong" in out
    assert "a!b: the model answered a, but b is right" in out
    assert "\n3: " not in out
    assert "11 of 11 puzzles" in err


def test_no_boards_are_shown_when_none_are_wanted(run: RunDirectory, oracle: Oracle, evaluator: Call) -> None:
    assert "+--" not in evaluator("--checkpoint", run.path, "--show", 0)[1]


def test_without_a_task_there_are_scores_but_no_boards(
    run: RunDirectory, dataset: Path, tmp_path: Path, evaluator: Call, evaluator_json: CallJson
) -> None:
    weights, plain = tmp_path / "alone.safetensors", tmp_path / "plain"
    shutil.copy(run.newest_checkpoint() / "model.safetensors", weights)
    shutil.copytree(dataset, plain)
    (plain / "task.json").unlink()
    code, out, _ = evaluator("--checkpoint", weights, "--data-path", plain)
    assert code == 0
    assert "exact accuracy" in out
    assert "No boards" in out
    found = evaluator_json("--checkpoint", weights, "--data-path", plain)
    assert "by_clues" not in found
    assert found["boards"] == []
    assert found["puzzles"] == 11
