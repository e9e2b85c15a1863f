"""Committing: what is given stays, every round writes a cell, and rounds end."""

from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, Commit, ContinuousPredictor, HaltingRule, HRMModelError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

OPEN = 1
MAX = HaltingRule("max")


@pytest.fixture
def model(make_model: Callable[..., HRM]) -> HRM:
    return make_model(halt_max_steps=3)


def puzzles(model: HRM, count: int, share_open: float = 0.5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (count, model.config.seq_len)
    given_tokens = rng.integers(2, model.config.vocab_size, shape, np.int32)
    return {"inputs": np.where(rng.random(shape) < share_open, OPEN, given_tokens)}


@pytest.mark.parametrize("rule", [MAX, HaltingRule("q"), HaltingRule("stable", patience=1)])
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_an_answer_keeps_what_is_given_and_has_a_round_for_each_open_cell_at_most(
    model: HRM, rule: HaltingRule, probability: float
) -> None:
    batch = puzzles(model, 10)
    found = ContinuousPredictor(model, 4, rule, trace=True, commit=Commit(probability, OPEN))([batch])
    for inputs, answer in zip(batch["inputs"], found, strict=True):
        tokens = np.array(answer.tokens)
        is_open = inputs == OPEN
        assert (tokens[~is_open] == inputs[~is_open]).all()
        assert (tokens[is_open] > OPEN).all()
        assert 1 <= answer.steps <= 3 * max(1, is_open.sum())
        assert len(answer.trace) == answer.steps


def test_what_is_written_stays_in_all_later_answers(model: HRM) -> None:
    batch = puzzles(model, 6)
    found = ContinuousPredictor(model, 3, MAX, trace=True, commit=Commit(1.0, OPEN))([batch])
    for inputs, answer in zip(batch["inputs"], found, strict=True):
        rounds = max(1, int((inputs == OPEN).sum()))
        assert answer.steps == 3 * rounds  # nothing is certain, so each round writes the surest cell
        boards = np.array([thought.tokens for thought in answer.trace])
        for done in range(rounds):
            settled = (boards[3 * done :] == boards[-1]).all(axis=0)
            assert settled.sum() >= (inputs != OPEN).sum() + done


def test_a_puzzle_that_halts_is_not_committed(model: HRM) -> None:
    model.q_head.bias = mx.array([5.0, -5.0])  # always sure
    batch = puzzles(model, 5)
    plain = list(ContinuousPredictor(model, 2)([batch]))
    committed = list(ContinuousPredictor(model, 2, commit=Commit(0.5, OPEN))([batch]))
    assert [answer.steps for answer in committed] == [answer.steps for answer in plain] == [1] * 5


@settings(max_examples=60)
@given(st.data(), st.floats(0, 1))
def test_a_round_writes_the_sure_cells_or_the_surest(data: st.DataObject, probability: float) -> None:
    inputs = data.draw(arrays(np.int32, (3, 5), elements=st.integers(0, 4)))
    logits = data.draw(arrays(np.float32, (3, 5, 5), elements=st.floats(-20, 20, width=32)))
    rule = Commit(probability, OPEN)
    written = np.array(rule.write(mx.array(inputs), mx.array(logits)))
    answer = np.array(rule.answer(mx.array(inputs), mx.array(logits)))
    is_open, is_written = inputs == OPEN, (inputs == OPEN) & (written != OPEN)
    assert (written[~is_open] == inputs[~is_open]).all()
    assert (written[is_written] == answer[is_written]).all()
    exact = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float64)
    p = np.take_along_axis(exact / exact.sum(-1, keepdims=True), answer[..., None], -1)[..., 0]
    for row in range(3):
        if is_open[row].any():
            assert is_written[row].any()
            assert not (is_open[row] & ~is_written[row] & (p[row] > probability + 1e-4)).any()
            if is_written[row].sum() > 1:
                assert p[row][is_written[row]].min() >= min(probability, p[row][is_open[row]].max()) - 1e-4


@pytest.mark.parametrize("commit", [Commit(-0.1, OPEN), Commit(1.1, OPEN), Commit(0.5, 10**6), Commit(0.5, -1)])
def test_a_rule_out_of_range_is_refused(model: HRM, commit: Commit) -> None:
    with pytest.raises(HRMModelError, match=r"committing|open_token"):
        ContinuousPredictor(model, commit=commit)
