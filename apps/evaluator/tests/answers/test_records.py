"""Records: the answers to a dataset as a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import open_dataset
from hrm_evaluator.answers._records import Record, answer_batches, dataset_batches
from hrm_model import HRM, ContinuousPredictor, load_model
from hrm_train import RunDirectory


@pytest.fixture
def model(run: RunDirectory) -> HRM:
    return load_model(run.newest_checkpoint() / "model.safetensors")


@pytest.mark.parametrize(("limit", "batch_size"), [(None, 4), (None, 64), (1, 4), (4, 4), (7, 3), (99, 4)])
def test_records_are_the_split_in_its_order(limit: int | None, batch_size: int, model: HRM, dataset: Path) -> None:
    data = open_dataset(dataset, "test")
    records = list(answer_batches(ContinuousPredictor(model, batch_size), dataset_batches(data, batch_size, limit)))
    count = min(11, limit or 11)
    chosen = [number * 11 // count for number in range(count)]  # evenly spread
    np.testing.assert_array_equal([r.inputs for r in records], data.sets["all"].inputs[chosen])
    np.testing.assert_array_equal([r.labels for r in records], data.sets["all"].labels[chosen])
    assert {r.puzzle_identifier for r in records} == {0}
    expected = list(answer_batches(ContinuousPredictor(model, 1), dataset_batches(data, 1, limit)))
    assert [r.answer.tokens for r in records] == [r.answer.tokens for r in expected]


def test_puzzles_without_labels_are_answered_and_drawn_only_when_needed(model: HRM) -> None:
    drawn = 0

    def puzzles() -> Any:
        nonlocal drawn
        for _ in range(1000):
            drawn += 1
            yield {"inputs": np.ones((1, 16), np.int32), "puzzle_identifiers": np.zeros(1, np.int32)}

    records = answer_batches(ContinuousPredictor(model, 2), puzzles())
    first = next(records)
    assert isinstance(first, Record)
    assert first.labels is None
    assert first.tokens.shape == (16,)
    assert drawn <= 2 * model.config.halt_max_steps
