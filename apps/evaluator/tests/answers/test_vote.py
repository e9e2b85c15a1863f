"""Votes: which answers vote, and which of them wins."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hrm_data import get_task, open_dataset
from hrm_evaluator._errors import UserError
from hrm_evaluator.answers._records import answer_batches, dataset_batches
from hrm_evaluator.answers._vote import (
    Electorate,
    answer_by_vote,
    choose_selection,
    choose_symmetries,
    commit_rule,
    winner,
)
from hrm_model import HRM, Answer, ContinuousPredictor, Noise, load_model
from hrm_train import RunDirectory


@pytest.fixture
def models(run: RunDirectory) -> list[HRM]:
    return [load_model(path / "model.safetensors") for path in sorted(run.checkpoint_directory.iterdir())]


def vote(token: int, q_halt: float = 0.0) -> Answer:
    return Answer([token], 1, q_halt, 0.0)


@pytest.mark.parametrize(
    ("votes", "majority", "by_confidence", "by_halting", "by_check"),
    [
        ([vote(1)], 1, 1, 1, 1),
        ([vote(1), vote(2), vote(2)], 2, 2, 2, 2),
        ([vote(1, 3.0), vote(2, -1.0), vote(2, -1.0)], 2, 1, 1, 2),
        ([vote(1, 1.0), vote(2, 2.0)], 2, 2, 2, 2),  # as many: the surer one
        ([vote(1), vote(2)], 1, 1, 1, 1),  # as sure: the first
        ([vote(1, 4.0), vote(1, -4.0), vote(2, 1.0)], 1, 2, 1, 1),  # the mean, or the best
        ([vote(1, 4.0), vote(1, 3.0), vote(3, -2.0)], 1, 1, 1, 3),  # the only one that obeys the rules
        ([vote(1, 4.0), vote(4, 1.0), vote(3, -2.0), vote(3, -3.0)], 3, 1, 1, 3),
    ],
)
def test_the_winner_is_known_by_hand(
    votes: list[Answer], majority: int, by_confidence: int, by_halting: int, by_check: int
) -> None:
    assert winner(votes).tokens == [majority]
    assert winner(votes, "confidence").tokens == [by_confidence]
    assert winner(votes, "halting").tokens == [by_halting]
    assert winner(votes, "check", lambda answer: answer.tokens[0] > 2).tokens == [by_check]


def test_confidence_is_the_sigmoid() -> None:
    assert vote(1, 0.0).confidence == 0.5
    assert vote(1, 2.0).confidence == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert (vote(1, 1000.0).confidence, vote(1, -1000.0).confidence) == (1.0, 0.0)


def test_votes_are_the_answers_to_the_copies_turned_back(models: list[HRM], dataset: Path) -> None:
    data, task = open_dataset(dataset, "test"), get_task(dataset)
    symmetries = choose_symmetries(task, 3)
    predictors = [ContinuousPredictor(model, 4, trace=True) for model in models]
    records = list(answer_by_vote(predictors, dataset_batches(data, 4, 5), Electorate(symmetries, 1, len(models))))
    plain = [
        list(answer_batches(predictor, dataset_batches(data, predictor.batch_size, 5))) for predictor in predictors
    ]
    inputs = data.sets["all"].inputs
    for number, record in enumerate(records):
        np.testing.assert_array_equal(record.inputs, inputs[number * len(inputs) // 5])  # evenly spread
        assert len(record.votes) == 3 * len(models)
        assert [v.tokens for v in record.votes[: len(models)]] == [p[number].answer.tokens for p in plain]
        assert record.answer == winner(record.votes)
        for symmetry, votes in zip(symmetries, (record.votes[2:4], record.votes[4:6]), strict=True):
            copy = {"inputs": symmetry.apply(record.inputs)[None], "puzzle_identifiers": np.zeros(1, np.int32)}
            for predictor, found in zip(predictors, votes, strict=True):
                (answer,) = predictor([copy])
                assert symmetry.apply(np.array(found.tokens)).tolist() == answer.tokens
                assert found.steps == answer.steps
                assert found.trace[-1].tokens == found.tokens


def test_votes_are_bounded_by_the_symmetries_that_there_are() -> None:
    maze = get_task({"task": "maze", "size": 10})
    assert len(choose_symmetries(maze, 8)) == 7
    with pytest.raises(UserError, match="--votes 9: maze-10x10 allows 8 at most"):
        choose_symmetries(maze, 9)
    with pytest.raises(UserError, match="symmetries depend on the task"):
        choose_symmetries(None, 2)
    assert len(list(islice(choose_symmetries(None, 1), 1))) == 0


def test_votes_of_trajectories_stand_between_copies_and_models(models: list[HRM], dataset: Path) -> None:
    data, task = open_dataset(dataset, "test"), get_task(dataset)
    symmetries = choose_symmetries(task, 2)
    electorate = Electorate(symmetries, 3, len(models))
    predictors = [ContinuousPredictor(model, 4, noise=Noise(0.5)) for model in models]
    records = list(answer_by_vote(predictors, dataset_batches(data, 4, 3), electorate, "halting"))
    assert electorate.votes == 2 * 3 * 2
    for record in records:
        expected = []
        for change in (None, *symmetries):
            for number in range(3):
                copy = record.inputs if change is None else change.apply(record.inputs)
                one = {"inputs": copy[None], "trajectories": np.array([number])}
                found = [next(predictor([one])) for predictor in predictors]
                expected += [
                    np.array(answer.tokens) if change is None else change.undo(np.array([answer.tokens]))[0]
                    for answer in found
                ]
        assert [answer.tokens for answer in record.votes] == [tokens.tolist() for tokens in expected]
        assert record.answer == max(record.votes, key=lambda answer: answer.q_halt)


def test_kinds_of_votes_differ_in_one_thing() -> None:
    task = get_task({"task": "maze", "size": 10})
    assert Electorate().kinds() == {}
    assert Electorate(choose_symmetries(task, 2), 3, 2).kinds() == {
        "symmetric copies": [0, 6],
        "trajectories": [0, 2, 4],
        "checkpoints": [0, 1],
    }


def test_the_usual_selection_follows_from_the_votes() -> None:
    task, arc = get_task({"task": "maze", "size": 10}), get_task({"task": "arc1"})
    assert choose_selection(None, task, 1, Noise()) == "majority"
    assert choose_selection(None, task, 4, Noise(0.1)) == "halting"
    assert choose_selection("check", task, 1, Noise()) == "check"
    with pytest.raises(UserError, match="--trajectories 4: without noise all trajectories are equal; add --noise"):
        choose_selection(None, task, 4, Noise())
    with pytest.raises(UserError, match="--vote-by check: arc1 has no known rule"):
        choose_selection("check", arc, 1, Noise())
    with pytest.raises(UserError, match="these puzzles have no task"):
        choose_selection("check", None, 1, Noise())


def test_cells_are_fixed_only_where_an_answer_fills_its_puzzle(dataset: Path) -> None:
    rule = commit_rule(0.9, get_task(dataset))
    assert rule is not None
    assert (rule.probability, rule.open_token) == (0.9, 1)
    assert commit_rule(None, None) is None
    for task in (None, get_task({"task": "maze", "size": 10}), get_task({"task": "arc1"})):
        with pytest.raises(UserError, match=r"--commit 0\.9 .* leave --commit out"):
            commit_rule(0.9, task)
