"""Votes: which answers vote, and which of them wins."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hrm_data import get_task, open_dataset
from hrm_evaluator._errors import UserError
from hrm_evaluator.answers._records import answer_batches, dataset_batches
from hrm_evaluator.answers._vote import answer_by_vote, choose_symmetries, winner
from hrm_model import HRM, Answer, ContinuousPredictor, load_model
from hrm_train import RunDirectory


@pytest.fixture
def models(run: RunDirectory) -> list[HRM]:
    return [load_model(path / "model.safetensors") for path in sorted(run.checkpoint_directory.iterdir())]


def vote(token: int, q_halt: float = 0.0) -> Answer:
    return Answer([token], 1, q_halt, 0.0)


@pytest.mark.parametrize(
    ("votes", "majority", "by_confidence"),
    [
        ([vote(1)], 1, 1),
        ([vote(1), vote(2), vote(2)], 2, 2),
        ([vote(1, 3.0), vote(2, -1.0), vote(2, -1.0)], 2, 1),
        ([vote(1, 1.0), vote(2, 2.0)], 2, 2),  # as many: the surer one
        ([vote(1), vote(2)], 1, 1),  # as sure: the first
        ([vote(1, 4.0), vote(1, -4.0), vote(2, 1.0)], 1, 2),  # the mean counts, not the best
    ],
)
def test_the_winner_is_known_by_hand(votes: list[Answer], majority: int, by_confidence: int) -> None:
    assert winner(votes).tokens == [majority]
    assert winner(votes, "confidence").tokens == [by_confidence]


def test_confidence_is_the_sigmoid() -> None:
    assert vote(1, 0.0).confidence == 0.5
    assert vote(1, 2.0).confidence == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert (vote(1, 1000.0).confidence, vote(1, -1000.0).confidence) == (1.0, 0.0)


def test_votes_are_the_answers_to_the_copies_turned_back(models: list[HRM], dataset: Path) -> None:
    data, task = open_dataset(dataset, "test"), get_task(dataset)
    symmetries = choose_symmetries(task, 3)
    predictors = [ContinuousPredictor(model, 4, trace=True) for model in models]
    records = list(answer_by_vote(predictors, dataset_batches(data, 4, 5), symmetries))
    plain = [
        list(answer_batches(predictor, dataset_batches(data, predictor.batch_size, 5))) for predictor in predictors
    ]
    for number, record in enumerate(records):
        np.testing.assert_array_equal(record.inputs, data.sets["all"].inputs[number])
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
