"""Copies and pickles of models."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import pytest
from hrm_model import HRM, ContinuousPredictor, GeometryConfig, Predictor, Quantization, quantize
from mlx.utils import tree_flatten

BOARD = {"geometry": GeometryConfig(columns=4, symbols=(1, 2, 3, 4), constants=(5,)), "halt_loss": "bce"}
KINDS: list[dict[str, Any]] = [
    {},
    {"forward_dtype": "bfloat16"},
    {"variant": "trm"},
    {"variant": "transformer"},
    {"mixer": "mlp"},
    {"pos_encodings": "learned"},
    {**BOARD, "symbol_equivariant": True, "mixer": "groups", "pos_encodings": "grid"},
    {**BOARD, "mixer": "neighbours", "pos_encodings": "none"},
]
WAYS = [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]


def answer(model: HRM) -> list[Any]:
    inputs = mx.arange(2 * model.config.seq_len).reshape(2, -1) % model.config.vocab_size
    return Predictor(model)({"inputs": inputs}).logits.astype(mx.float32).tolist()


@pytest.mark.parametrize("way", WAYS, ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("changes", KINDS, ids=lambda changes: " ".join(map(str, changes)) or "plain")
def test_a_copy_answers_the_same(changes: dict[str, Any], way: Callable[[HRM], HRM], make_model: Any) -> None:
    model = make_model(**changes)
    model.task = '{"task": "some"}'
    other = way(model)
    assert type(other) is HRM
    assert (other.config, other.task) == (model.config, model.task)
    assert answer(other) == answer(model)
    frozen = [{name for name, _ in tree_flatten(one.trainable_parameters())} for one in (model, other)]
    assert frozen[0] == frozen[1]


def test_a_copy_is_another_model(make_model: Any) -> None:
    model = make_model()
    before = answer(model)
    other = copy.deepcopy(model)
    other.lm_head.weight = mx.zeros_like(other.lm_head.weight)
    assert answer(model) == before != answer(other)


def test_a_quantised_model_is_copied_with_its_weights(make_model: Any) -> None:
    model = make_model(hidden_size=32, puzzle_emb_ndim=32)
    quantize(model, Quantization(bits=8))
    other = pickle.loads(pickle.dumps(model))
    assert other.quantization == model.quantization
    assert answer(other) == answer(model)


@pytest.mark.parametrize("way", WAYS[1:], ids=["deepcopy", "pickle"])
def test_predictors_are_copied_with_their_models(way: Callable[[Any], Any], make_model: Any) -> None:
    predictor = ContinuousPredictor(make_model(), 2)
    batch = {"inputs": mx.zeros((3, 16), mx.int32)}
    answers = list(predictor([batch]))
    other = way(predictor)
    assert other.model is not predictor.model
    assert list(other([batch])) == answers
    other.model.lm_head.weight = mx.zeros_like(other.model.lm_head.weight)
    assert {token for one in other([batch]) for token in one.tokens} == {0}  # it answers with its own model
    plain = way(Predictor(predictor.model))
    assert plain(batch).tokens.shape == (3, 16)
