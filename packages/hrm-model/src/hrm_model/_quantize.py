"""Weights of 8 or 4 bits, for inference."""

from collections.abc import Callable
from typing import Any, Literal

import mlx.nn as nn
from pydantic import BaseModel, ConfigDict

from hrm_model._errors import HRMModelError
from hrm_model._model import HRM

_WHOLE = ("q_head", "embed_pos")


class Quantization(BaseModel):
    """How weights are quantised: ``bits`` each, with a scale and an offset for every ``group_size`` of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: Literal[4, 8]
    group_size: Literal[32, 64, 128] = 32


def quantize(model: HRM, quantization: Quantization) -> None:
    """Replace the matrices of a model, in place, by quantised ones that compute in the same dtype.

    These are the matrices of all blocks, the output head, and the tables of tokens and puzzles (but not that of learned
    positions), where their rows are a multiple of ``group_size`` long. The head of halting stays as it is.

    Raises:
        HRMModelError: If the model is quantised already.
    """
    if model.quantization is not None:
        raise HRMModelError(f"the model has weights of {model.quantization.bits} bits already; quantise the original")
    quantize_where(model, quantization, lambda name: True)


def quantize_where(model: HRM, quantization: Quantization, wanted: Callable[[str], bool]) -> None:
    """Quantise those modules that can be and whose names are wanted."""

    def chosen(name: str, module: Any) -> bool:
        able = hasattr(module, "to_quantized") and name not in _WHOLE and wanted(name)
        return able and module.weight.shape[-1] % quantization.group_size == 0

    nn.quantize(model, quantization.group_size, quantization.bits, class_predicate=chosen)
    model.quantization = quantization
