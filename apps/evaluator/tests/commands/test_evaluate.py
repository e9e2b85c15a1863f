"""The command `evaluator`: scores, tables and files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import Dataset, NumpyBatch, get_task, open_dataset
from hrm_evaluator.answers._records import answer_batches, dataset_batches
from hrm_evaluator.scoring._score import Evaluation, score_records, vote_counts
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

    def made(
        self, model: HRM, batch_size: int, halting: HaltingRule, max_steps: int | None, **others: object
    ) -> Oracle:
        assert others["trace"]
        self.model, self.batch_size, self.halting, self.max_steps = model, batch_size, halting, max_steps or 3
        return self

    def prepare(self, puzzles: int) -> None: ...

    def __call__(self, batches: Iterable[NumpyBatch]) -> Iterator[Answer]:
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
    monkeypatch.setattr("hrm_evaluator.commands.evaluate.ContinuousPredictor", made.made)
    return made


def scored(model: HRM, data: Dataset, batch_size: int) -> Evaluation:
    predictor = ContinuousPredictor(model, batch_size, trace=True)
    records = answer_batches(predictor, dataset_batches(data, batch_size))
    return score_records(records, get_task(data.root), predictor.max_steps, keep=11)


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
def test_a_limit_scores_puzzles_that_are_evenly_spread_whatever_the_batch_size(
    limit: int, batch_size: int, run: RunDirectory, dataset: Path, oracle: Oracle, evaluator_json: CallJson
) -> None:
    every = clues_of(dataset)
    count = min(limit, len(every))
    clues = [every[number * len(every) // count] for number in range(count)]
    oracle.wrong_clues = clues[0]
    found = evaluator_json("--checkpoint", run.path, "--limit", limit, "--batch-size", batch_size)
    assert found["puzzles"] == len(clues)
    assert found["exact_accuracy"] == pytest.approx(1 - clues.count(clues[0]) / len(clues))
    assert max(oracle.sizes) <= batch_size


def test_the_batch_size_changes_no_score(run: RunDirectory, dataset: Path, model: HRM) -> None:
    data = open_dataset(dataset, "test")
    whole, parts = (scored(model, data, n) for n in (16, 3))
    assert whole.score.means() == pytest.approx(parts.score.means())
    assert whole.by_measure == parts.by_measure
    assert (whole.by_step, whole.halted) == (parts.by_step, parts.halted)
    for one, other in zip(whole.examples, parts.examples, strict=True):
        np.testing.assert_array_equal(one.puzzle, other.puzzle)
        np.testing.assert_array_equal(one.answer, other.answer)


def test_the_tally_by_clues_adds_up_to_the_score(run: RunDirectory, dataset: Path, model: HRM) -> None:
    result = scored(model, open_dataset(dataset, "test"), 4)
    assert sum(tally.puzzles for tally in result.by_measure.values()) == result.score.count
    assert sum(tally.exact for tally in result.by_measure.values()) == result.score.totals[1]
    assert sum(tally.accuracy for tally in result.by_measure.values()) == pytest.approx(result.score.totals[0])


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


def test_the_score_by_step_is_that_of_a_run_with_so_many_steps(run: RunDirectory, evaluator_json: CallJson) -> None:
    for halting in ("q", "max"):
        options = ("--checkpoint", run.path, "--halting", halting)
        whole = evaluator_json(*options, "--max-steps", 5)
        assert whole["max_steps"] == len(whole["by_step"]) == 5
        assert sum(row["halted"] for row in whole["by_step"]) == 11
        assert sum(row["halted"] * row["steps"] for row in whole["by_step"]) == pytest.approx(11 * whole["mean_steps"])
        for steps in (1, 3):
            cut = evaluator_json(*options, "--max-steps", steps)
            row = whole["by_step"][steps - 1]
            assert (row["accuracy"], row["exact_accuracy"]) == (cut["accuracy"], cut["exact_accuracy"])


def test_the_curve_rises_where_the_model_needs_its_second_step(
    run: RunDirectory, oracle: Oracle, evaluator_json: CallJson
) -> None:
    rows = evaluator_json("--checkpoint", run.path)["by_step"]
    assert [row["exact_accuracy"] for row in rows] == [0, 1, 1]
    assert [row["halted"] for row in rows] == [0, 11, 0]


def test_more_steps_than_in_training_are_told_apart(run: RunDirectory, evaluator: Call) -> None:
    assert "of at most 5 (3 in training), halting q" in evaluator("--checkpoint", run.path, "--max-steps", 5)[1]
    assert "of at most 3, halting q" in evaluator("--checkpoint", run.path)[1]


def test_never_halting_early_takes_every_step(run: RunDirectory, evaluator_json: CallJson) -> None:
    found = evaluator_json("--checkpoint", run.path, "--halting", "max")
    assert (found["mean_steps"], found["halting"]) == (3, "max")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--threshold", 0.9), "--threshold needs --halting confidence, but --halting is q"),
        (("--patience", 2, "--halting", "max"), "--patience needs --halting stable, but --halting is max"),
        (("--threshold", 2, "--halting", "confidence"), "--threshold 2: should be less than or equal to 1"),
        (("--checkpoints", 9), "ask for fewer"),
        (("--submission", "s.json"), "its puzzles are sudoku-2x2"),
        (("--save-predictions", "nowhere/p.npz"), "the directory nowhere does not exist"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: tuple[object, ...], says: str, run: RunDirectory, evaluator: Call
) -> None:
    code, out, err = evaluator("--checkpoint", run.path, *options)
    assert (code, out) == (2, "")
    assert says in err


def test_what_is_wrong_with_answers_is_counted(
    run: RunDirectory, dataset: Path, oracle: Oracle, evaluator: Call, evaluator_json: CallJson
) -> None:
    clues = clues_of(dataset)
    assert evaluator_json("--checkpoint", run.path)["faults"] == {}
    oracle.wrong_clues = clues[0]
    found = evaluator_json("--checkpoint", run.path)
    assert found["valid"] == found["exact_accuracy"] < 1  # a proper puzzle has no other valid answer
    assert found["equivalent"] == 0
    assert found["faults"]["breaks the rules"] == clues.count(clues[0])
    assert "breaks the rules" in evaluator("--checkpoint", run.path)[1]


def test_votes_are_reported_for_every_number_of_them(
    run: RunDirectory, evaluator: Call, evaluator_json: CallJson
) -> None:
    options = ("--checkpoint", run.path, "--votes", 3, "--checkpoints", 2)
    found = evaluator_json(*options)
    assert [row["votes"] for row in found["by_votes"]] == [1, 2, 5, 6]
    assert len(found["checkpoints"]) == 2
    alone = evaluator_json("--checkpoint", run.path)
    for name in ("accuracy", "exact_accuracy"):
        assert found["by_votes"][0][name] == alone[name]
        assert found["by_votes"][-1][name] == found[name]
    by = {(row["by"], row["count"]): row for row in found["efforts"]}
    assert {kind for kind, _ in by} == {"steps", "symmetric copies", "checkpoints", "votes"}
    assert by["votes", 6]["exact_accuracy"] == found["exact_accuracy"]
    assert by["votes", 1]["steps_per_puzzle"] == alone["mean_steps"]
    shown = evaluator(*options)[1]
    assert "exact accuracy  steps a puzzle  puzzles a second" in shown
    assert "by what the model knows: the most frequent answer" in shown


@pytest.mark.parametrize(
    ("votes", "counts"),
    [(1, [1]), (2, [1, 2]), (9, [1, 2, 5, 9]), (10, [1, 2, 5, 10]), (90, [1, 2, 5, 10, 20, 50, 90])],
)
def test_numbers_of_votes_are_round_ones_and_the_last(votes: int, counts: list[int]) -> None:
    assert vote_counts(votes) == counts


def test_predictions_are_saved_and_never_overwritten(
    run: RunDirectory, dataset: Path, tmp_path: Path, evaluator: Call, evaluator_json: CallJson
) -> None:
    path = tmp_path / "out.npz"
    found = evaluator_json("--checkpoint", run.path, "--save-predictions", path, "--limit", 7)
    saved = np.load(path)
    data = open_dataset(dataset, "test").sets["all"]
    chosen = [number * data.examples // 7 for number in range(7)]  # evenly spread
    np.testing.assert_array_equal(saved["inputs"], data.inputs[chosen])
    np.testing.assert_array_equal(saved["labels"], data.labels[chosen])
    right = saved["predictions"] == saved["labels"]
    assert right.mean() == pytest.approx(found["accuracy"])
    assert right.all(axis=1).mean() == pytest.approx(found["exact_accuracy"])
    assert saved["steps"].mean() == pytest.approx(found["mean_steps"])
    assert ((saved["confidences"] > 0) & (saved["confidences"] < 1)).all()
    assert saved["puzzle_identifiers"].tolist() == [0] * 7
    before = path.read_bytes()
    code, _, err = evaluator("--checkpoint", run.path, "--save-predictions", path)
    assert code == 2
    assert f"{path}: exists already" in err
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_trajectories_are_reported_and_the_selection_is_named(
    run: RunDirectory, evaluator: Call, evaluator_json: CallJson
) -> None:
    options = ("--checkpoint", run.path, "--noise", 0.4, "--trajectories", 4)
    found = evaluator_json(*options)
    assert found["selection"] == "by what the model knows: the highest halting value"
    assert (found["noise"], found["seed"]) == (0.4, 0)
    rows = [row for row in found["efforts"] if row["by"] == "trajectories"]
    assert [row["count"] for row in rows] == [1, 2, 4]
    assert rows[-1]["exact_accuracy"] == found["exact_accuracy"]
    small = evaluator_json(*options, "--batch-size", 3)
    assert small["by_votes"] == found["by_votes"]  # whatever the batch size
    assert evaluator_json(*options, "--seed", 1)["by_votes"] != found["by_votes"]
    checked = evaluator_json(*options, "--vote-by", "check")
    assert checked["selection"] == "by checking: answers that obey the rules come first"
    assert checked["exact_accuracy"] >= found["exact_accuracy"]
    code, _, err = evaluator("--checkpoint", run.path, "--trajectories", 4)
    assert code == 2
    assert "--trajectories 4: without noise all trajectories are equal; add --noise" in err


def test_committed_cells_keep_the_clues_and_cost_steps(run: RunDirectory, evaluator_json: CallJson) -> None:
    plain = evaluator_json("--checkpoint", run.path, "--halting", "max")
    found = evaluator_json("--checkpoint", run.path, "--halting", "max", "--commit", 0.95)
    assert found["commit"] == 0.95
    assert "changes clues" not in found["faults"]
    assert found["mean_steps"] > plain["mean_steps"]
    assert len(found["by_step"]) == max(row["steps"] for row in found["by_step"] if row["halted"])


def test_a_thousand_steps_are_as_good_as_three_that_are_settled(run: RunDirectory, evaluator_json: CallJson) -> None:
    options = ("--checkpoint", run.path, "--max-steps", 1024, "--halting", "stable", "--patience", 3)
    found = evaluator_json(*options)
    assert found["max_steps"] == len(found["by_step"]) == 1024
    assert found["by_step"][-1]["exact_accuracy"] == found["exact_accuracy"]
    assert sum(row["halted"] for row in found["by_step"]) == found["puzzles"]
