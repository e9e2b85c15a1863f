import math
from collections.abc import Callable, Iterator
from typing import Any

import mlx.core as mx
import pytest
from hrm_model import HRM, Answer, ContinuousPredictor, HaltingRule, HRMConfig, HRMModelError, Predictor, Thought
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def model(make_model: Callable[..., HRM]) -> HRM:
    """A model that halts some puzzles early and some late."""
    model = make_model(halt_max_steps=6)
    model.q_head.weight = 3 * model.q_head.weight
    return model


def puzzles(model: HRM, count: int, seed: int = 0) -> dict[str, mx.array]:
    config = model.config
    keys = mx.random.split(mx.random.key(seed), 2)
    return {
        "inputs": mx.random.randint(0, config.vocab_size, (count, config.seq_len), key=keys[0]),
        "puzzle_identifiers": mx.random.randint(0, config.num_puzzle_identifiers, (count,), key=keys[1]),
    }


def alone(model: HRM, batch: dict[str, mx.array], **options: Any) -> list[Answer]:
    """Every puzzle answered by itself, in a predictor of one slot."""
    count = batch["inputs"].shape[0]
    one = ContinuousPredictor(model, 1, **options)
    return [a for i in range(count) for a in one([{name: array[i : i + 1] for name, array in batch.items()}])]


def agree(answers: list[Answer], expected: list[Answer]) -> None:
    assert [a.tokens for a in answers] == [a.tokens for a in expected]
    assert [a.steps for a in answers] == [a.steps for a in expected]
    assert [[t.tokens for t in a.trace] for a in answers] == [[t.tokens for t in a.trace] for a in expected]
    for ours, theirs in zip(answers, expected, strict=True):
        assert (ours.q_halt, ours.q_continue) == pytest.approx((theirs.q_halt, theirs.q_continue), rel=1e-2, abs=1e-2)


RULES = [
    HaltingRule("q"),
    HaltingRule("max"),
    HaltingRule("confidence", threshold=0.4),
    HaltingRule("stable", patience=1),
    HaltingRule("stable", patience=2),
]


@pytest.mark.parametrize(
    ("rule", "count", "batch_size"),
    [*((rule, 9, 4) for rule in RULES), (RULES[0], 3, 8), (RULES[0], 8, 8), (RULES[0], 5, 3), (RULES[0], 1, 1)],
)
def test_a_puzzle_is_answered_as_if_it_were_alone_and_in_its_turn(
    rule: HaltingRule, count: int, batch_size: int, model: HRM
) -> None:
    batch = puzzles(model, count)
    answers = list(ContinuousPredictor(model, batch_size, rule, trace=True)([batch]))
    agree(answers, alone(model, batch, halting=rule, trace=True))


def test_puzzles_do_halt_at_different_steps(model: HRM) -> None:
    steps = {answer.steps for answer in ContinuousPredictor(model, 4)([puzzles(model, 40)])}
    assert len(steps) > 1
    assert max(steps) <= 6


def test_never_halting_early_is_what_the_reference_does(model: HRM) -> None:
    batch = puzzles(model, 8)
    prediction = Predictor(model)(batch)
    answers = list(ContinuousPredictor(model, 4, HaltingRule("max"))([batch]))
    assert [answer.tokens for answer in answers] == prediction.tokens.tolist()
    assert {answer.steps for answer in answers} == {6}
    assert [answer.q_halt for answer in answers] == pytest.approx(prediction.q_halt_logits.tolist(), rel=1e-2, abs=1e-2)


def test_the_models_own_halting_step_is_the_one_that_the_fixed_predictor_names(model: HRM) -> None:
    batch = puzzles(model, 8)
    named = Predictor(model)(batch).halting_steps.tolist()
    assert [answer.steps for answer in ContinuousPredictor(model, 3)([batch])] == named


def test_a_stream_needs_inputs_only(model: HRM) -> None:
    batch = puzzles(model, 6)
    whole = {**batch, "puzzle_identifiers": mx.zeros((6,), mx.int32)}
    predictor = ContinuousPredictor(model, 4)
    assert list(predictor([{"inputs": batch["inputs"]}])) == list(predictor([whole]))


@pytest.mark.parametrize("kind", [Answer, Thought])
def test_confidence_is_the_sigmoid_of_q_halt(kind: type[Answer] | type[Thought]) -> None:
    def confidence(q_halt: float) -> float:
        return (Answer([], 1, q_halt, 0.0) if kind is Answer else Thought([], q_halt, 0.0)).confidence

    assert confidence(0.0) == 0.5
    assert confidence(2.0) == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert (confidence(1000.0), confidence(-1000.0)) == (1.0, 0.0)


def test_a_stable_answer_has_not_changed_in_the_last_steps_and_had_before(model: HRM) -> None:
    for answer in ContinuousPredictor(model, 4, HaltingRule("stable", patience=2), trace=True)([puzzles(model, 20)]):
        assert len(answer.trace) == answer.steps
        tokens = [thought.tokens for thought in answer.trace]
        assert answer.trace[-1] == (answer.tokens, answer.q_halt, answer.q_continue)
        if answer.steps < 6:
            assert tokens[-1] == tokens[-2] == tokens[-3]
            assert answer.steps == 3 or tokens[-3] != tokens[-4]


@pytest.mark.parametrize("max_steps", [1, 3, 20])
def test_the_most_steps_can_be_fewer_or_more_than_in_training(max_steps: int, model: HRM) -> None:
    batch = puzzles(model, 5)
    rule = HaltingRule("max")
    answers = list(ContinuousPredictor(model, 2, rule, max_steps)([batch]))
    assert {answer.steps for answer in answers} == {max_steps}
    traced = ContinuousPredictor(model, 2, rule, 20, trace=True)([batch])
    assert [answer.tokens for answer in answers] == [answer.trace[max_steps - 1].tokens for answer in traced]


def test_puzzles_are_drawn_when_slots_are_free_and_answered_while_others_wait(model: HRM) -> None:
    drawn = 0

    def stream() -> Iterator[dict[str, mx.array]]:
        nonlocal drawn
        for seed in range(1000):
            drawn += 1
            yield puzzles(model, 1, seed)

    answers = ContinuousPredictor(model, 4)(stream())
    next(answers)
    assert drawn <= 4 * 6
    for _ in range(20):
        next(answers)
    assert drawn <= 21 + 4 * 6


@pytest.fixture(scope="module")
def tiny() -> HRM:
    sizes = {"hidden_size": 8, "num_heads": 2, "expansion": 1, "puzzle_emb_ndim": 0, "forward_dtype": "float32"}
    data = {"seq_len": 4, "vocab_size": 3, "num_puzzle_identifiers": 1}
    return HRM(HRMConfig(H_layers=1, L_layers=1, halt_max_steps=2, **sizes, **data))


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 5), max_size=6), batch_size=st.integers(1, 9))
def test_any_number_of_puzzles_in_batches_of_any_size_get_one_answer_each(
    sizes: list[int], batch_size: int, tiny: HRM
) -> None:
    model = tiny
    answers = list(ContinuousPredictor(model, batch_size)(puzzles(model, size, i) for i, size in enumerate(sizes)))
    assert len(answers) == sum(sizes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"halting": HaltingRule("soon")}, "halting is 'soon'"),
        ({"halting": HaltingRule("confidence", 1.5)}, "threshold is 1.5"),
        ({"halting": HaltingRule("stable", patience=0)}, "patience is 0"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, says: str, make_model: Callable[..., HRM]) -> None:
    with pytest.raises(HRMModelError, match=says):
        ContinuousPredictor(make_model(), **options)


def test_a_puzzle_of_another_length_is_refused_by_number(make_model: Callable[..., HRM]) -> None:
    model = make_model()
    wrong = {"inputs": mx.zeros((1, 3), mx.int32), "puzzle_identifiers": mx.zeros((1,), mx.int32)}
    with pytest.raises(HRMModelError, match="puzzle 3 has 3 tokens, but the model needs 16"):
        list(ContinuousPredictor(model, 8)([puzzles(model, 2), wrong]))
