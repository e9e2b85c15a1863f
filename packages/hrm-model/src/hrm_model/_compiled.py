"""Compiled steps of a model, which leave the model alone whatever happens while they are traced."""

import threading
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from hrm_ops import check_process, prepare_kernels, uncompiled

from hrm_model._model import HRM


class CompiledSteps:
    """Compiles a step for each lane of each thread.

    Lanes do not share a compiled function, because MLX would share constants between their streams, and fuses no kernel
    across streams. Threads do not, because MLX keeps what it compiled for each thread.

    The step gets the model as its first argument. The model's arrays are inputs of the compiled function, so they may
    change between calls.

    Args:
        model: The model. Its arrays are evaluated, so that other threads can use them.
        step: Computes with the model that it is given, and changes nothing else.
        compiled: Whether the step is compiled; else it computes op by op.

    Raises:
        HRMOpsError: If this process was forked after MLX had been used.
    """

    def __init__(self, model: HRM, step: Callable[..., Any], compiled: bool = True) -> None:
        check_process()
        mx.eval(model.state)
        self._model, self._step, self._compiles = model, step, compiled
        self._compiled: dict[tuple[int, int], Any] = {}

    def __call__(self, lane: int, *args: Any) -> Any:
        """Take the step of a lane."""
        if not self._compiles:
            return uncompiled(self._step)(self._model, *args)
        prepare_kernels()
        key = threading.get_ident(), lane
        if key not in self._compiled:
            self._compiled[key] = mx.compile(self._traced)
        return self._compiled[key](self._model.state, *args)

    def _traced(self, arrays: Any, *args: Any) -> Any:
        # MLX would put the placeholders of a trace into the model itself, and leave them there after an exception.
        return self._step(with_arrays(self._model, arrays), *args)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_compiled": {}}


def with_arrays(part: Any, arrays: Any) -> Any:
    """Return a copy of a module with other arrays in the same places; the copy shares everything else.

    Args:
        part: A module, or a list, tuple or dictionary in one.
        arrays: The same tree of lists, tuples and dictionaries.
    """
    if isinstance(part, nn.Module):
        twin = part.__class__.__new__(part.__class__)
        vars(twin).update(vars(part))
        for name, value in part.items():
            twin[name] = with_arrays(value, arrays[name])
        return twin
    if isinstance(part, dict):
        return {name: with_arrays(value, arrays[name]) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(with_arrays(*pair) for pair in zip(part, arrays, strict=True))
    return arrays
