"""Makes second derivatives raise instead of being silently wrong."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import mlx.core as mx

from hrm_ops._errors import HRMOpsError

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function


@_custom_function
def first_order(kept: mx.array) -> mx.array:
    """Mark an array that a forward pass keeps for its gradient; differentiating the gradient then raises.

    Gradients here ignore the cotangents of what is kept, which are zero unless second derivatives are wanted.
    """
    return kept


def _refuse(*_: object) -> mx.array:
    raise HRMOpsError(
        "[hrm_ops] attention and RMSNorm have no second derivatives here: "
        "where you need them use attention(..., backend='reference') and rms_norm."
    )


first_order.vjp(_refuse)


def once_differentiable(gradient: Callable[..., tuple[mx.array, ...]]) -> Callable[..., tuple[mx.array, ...]]:
    """Return the vector-Jacobian product of a custom function such that differentiating it raises."""

    @wraps(gradient)
    def call(primals: Any, cotangent: mx.array, outputs: Any) -> tuple[mx.array, ...]:
        @_custom_function
        def run(*flat: mx.array) -> tuple[mx.array, ...]:
            count = len(primals)
            return gradient(flat[:count], flat[count], flat[count + 1 :])

        run.vjp(_refuse)
        return tuple(run(*primals, cotangent, *outputs))

    return call
