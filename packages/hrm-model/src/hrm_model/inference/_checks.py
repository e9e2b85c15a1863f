"""Checks of what a model is asked, before anything is computed."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import mlx.core as mx

from hrm_model._act import Batch
from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError

MOST = 2**31 - 1
"""The most steps: they are counted in int32."""
MOST_SLOTS = 2**20


def check_number(name: str, number: object, most: int) -> None:
    """Raise `HRMModelError` unless a number is an int from 1 to `most`."""
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= most:
        raise HRMModelError(f"{name} is {number!r}, but must be an integer from 1 to {most:,}")


def checked(config: HRMConfig, batch: Batch) -> Batch:
    """Return the inputs and puzzle identifiers of a batch as int32, where the model can answer it.

    Raises:
        HRMModelError: If a shape or a dtype is wrong, or a number stands for nothing that the model knows.
    """
    inputs = _integers(batch, "inputs", 2)
    count = inputs.shape[0]
    if not count or inputs.shape[1] != config.seq_len:
        raise HRMModelError(f"inputs are {inputs.shape}, but must be [B, {config.seq_len}] with at least one puzzle")
    result = Batch(inputs=_below("inputs", inputs, config.vocab_size))
    if "puzzle_identifiers" in batch:
        identifiers = _integers(batch, "puzzle_identifiers", 1)
        if identifiers.shape != (count,):
            raise HRMModelError(f"puzzle_identifiers are {identifiers.shape}, but there are {count} puzzles")
        limit = config.num_puzzle_identifiers if config.puzzle_emb_ndim else MOST  # without a table they are not read
        result["puzzle_identifiers"] = _below("puzzle_identifiers", identifiers, limit)
    return result


def rows_of(batch: Mapping[str, Any], name: str, axes: int) -> list[Any]:
    """Return an integer array of a batch, of MLX or NumPy, as lists.

    Raises:
        HRMModelError: If it is something else.
    """
    return cast(list[Any], _integers(batch, name, axes).tolist())


def check_puzzle(config: HRMConfig, number: int, inputs: Sequence[int], identifier: int) -> None:
    """Raise `HRMModelError` if the model cannot answer the puzzle of this number."""
    if len(inputs) != config.seq_len:
        raise HRMModelError(f"puzzle {number} has {len(inputs)} tokens, but the model needs {config.seq_len}")
    for token in (min(inputs), max(inputs)):
        if not 0 <= token < config.vocab_size:
            raise HRMModelError(
                f"puzzle {number} has the token {token}, but the model has the tokens 0 to {config.vocab_size - 1}"
            )
    if config.puzzle_emb_ndim and not 0 <= identifier < config.num_puzzle_identifiers:
        raise HRMModelError(
            f"puzzle {number} has the identifier {identifier}, but the model has the identifiers 0 to "
            f"{config.num_puzzle_identifiers - 1}"
        )


def _integers(batch: Mapping[str, Any], name: str, axes: int) -> Any:
    """Return an array of a batch; raise if there is none, or if it is not of integers with so many axes."""
    if name not in batch:
        raise HRMModelError(f"the batch has no {name}")
    array = batch[name]
    if not hasattr(array, "dtype"):
        raise HRMModelError(f"{name} must be an array, but is a {type(array).__name__}")
    if array.ndim != axes or "int" not in str(array.dtype):
        raise HRMModelError(
            f"{name} must be integers with {axes} {'axis' if axes == 1 else 'axes'}, but are {array.dtype} of shape "
            f"{tuple(array.shape)}"
        )
    return array


def _below(name: str, array: Any, limit: int) -> mx.array:
    """Return an array as int32; raise unless its numbers are from 0 to `limit - 1`, because MLX would not notice."""
    array = mx.array(array)
    least, greatest = array.min().item(), array.max().item()
    if least < 0 or greatest >= limit:
        raise HRMModelError(f"{name} are from {least} to {greatest}, but the model has 0 to {limit - 1}")
    return cast(mx.array, array.astype(mx.int32))
