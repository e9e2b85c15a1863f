"""Gives a model's weights to boards of another size."""

from functools import partial

import mlx.core as mx
from hrm_ops import from_any_thread
from mlx.utils import tree_flatten
from pydantic import ValidationError

from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._geometry import GeometryConfig
from hrm_model._model import HRM


def resized(model: HRM, seq_len: int, vocab_size: int, geometry: GeometryConfig | None) -> HRM:
    """Return a model with the same weights that answers boards of another size.

    Weights fit every size where none belongs to a position or to one of the interchangeable symbols: in a
    symbol-equivariant model, and for equal vocabularies in any model of boards or with two-dimensional rotary
    positions.

    Args:
        model: The model; it shares its arrays with the result.
        seq_len: Tokens in a puzzle.
        vocab_size: Number of tokens.
        geometry: The board.

    Raises:
        HRMModelError: If a weight belongs to a position or a symbol of the model's own boards.
    """
    return from_any_thread(partial(_resized, model, seq_len, vocab_size, geometry), model)


def _resized(model: HRM, seq_len: int, vocab_size: int, geometry: GeometryConfig | None) -> HRM:
    fields = {**model.config.model_dump(), "seq_len": seq_len, "vocab_size": vocab_size, "geometry": geometry}
    try:
        other = HRM(HRMConfig(**fields))
    except ValidationError as error:
        raise HRMModelError(f"the model cannot answer boards of another size: {error.errors()[0]['msg']}") from error
    weights = dict(tree_flatten(model.parameters()))
    shapes = {name: array.shape for name, array in tree_flatten(other.parameters())}
    for name, array in weights.items():
        if shapes.get(name, array.shape) != array.shape:
            raise HRMModelError(
                f"the model cannot answer boards of another size: its weight {name} belongs to boards of "
                f"{model.config.seq_len} cells; train one with symbol_equivariant or mixer groups, without positions"
            )
    other.load_weights(list(weights.items()))
    mx.eval(other.state)
    return other
