"""Quantisation of the weights to 8 or 4 bits, for inference."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
from hrm_ops import from_any_thread
from mlx.utils import tree_flatten
from pydantic import BaseModel, ConfigDict

from hrm_model._errors import HRMModelError
from hrm_model._model import HRM

_WHOLE = ("q_head", "embed_pos")


class Quantization(BaseModel):
    """Quantisation settings: `bits` for each weight, and one scale and offset for each `group_size` weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: Literal[4, 8]
    group_size: Literal[32, 64, 128] = 32


def quantize(model: HRM, quantization: Quantization) -> None:
    """Quantise the matrices of a model in place; the activations keep their dtype.

    Quantised are the matrices of all blocks, the output head, and the token and puzzle tables, where the row length is
    a multiple of `group_size`. The Q head and learned positions stay float32.

    Raises:
        HRMModelError: If the model is already quantised.
    """
    if model.quantization is not None:
        raise HRMModelError(f"the model has weights of {model.quantization.bits} bits already; quantise the original")
    quantize_where(model, quantization, lambda name: True)


def dequantized(model: HRM) -> HRM:
    """Return a model with float32 weights of the same values; the model itself if it is not quantised.

    On a CPU products with quantised weights take many times as long.
    """
    if model.quantization is None:
        return model
    return from_any_thread(partial(_dequantized, model, model.quantization), model)


def _dequantized(model: HRM, settings: Quantization) -> HRM:
    arrays = dict(tree_flatten(model.parameters()))
    for name in [name.removesuffix(".scales") for name in arrays if name.endswith(".scales")]:
        scales, biases = arrays.pop(f"{name}.scales"), arrays.pop(f"{name}.biases")
        arrays[f"{name}.weight"] = mx.dequantize(
            arrays[f"{name}.weight"], scales, biases, settings.group_size, settings.bits
        )
    other = HRM(model.config)
    other.load_weights(list(arrays.items()))
    other.task = model.task
    mx.eval(other.state)
    return other


def quantize_where(model: HRM, quantization: Quantization, wanted: Callable[[str], bool]) -> None:
    """Quantise every module that supports it and whose name is wanted."""

    def is_chosen(name: str, module: Any) -> bool:
        supported = hasattr(module, "to_quantized") and name not in _WHOLE and wanted(name)
        return supported and module.weight.shape[-1] % quantization.group_size == 0

    nn.quantize(model, quantization.group_size, quantization.bits, class_predicate=is_chosen)
    model.quantization = quantization
