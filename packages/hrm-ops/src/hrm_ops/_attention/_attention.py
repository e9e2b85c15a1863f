"""Attention, and the choice of the computation that is fastest here."""

import math
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import mlx.core as mx

from hrm_ops._attention import _blocks as blocks
from hrm_ops._attention._inputs import (
    Form,
    FormOfMask,
    Inputs,
    Layout,
    Mask,
    Shape,
    check_forms,
    read_inputs,
)
from hrm_ops._errors import HRMOpsError, check_array
from hrm_ops.linux import _kernels

Backend = Literal["auto", "fused", "chunked", "cpu", "reference"]

_CPU = mx.DeviceType.cpu
# How exponentials are computed on the Linux CPU: in base 2, in kernels that are vectorised.
LINUX_CPU = blocks.Kernel(_kernels.exp2, _kernels.row_max, _kernels.row_sum, unit=1 / math.log(2), block=1 << 19)
_BACKENDS = ("auto", "fused", "chunked", "cpu", "reference")


def attention(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    *,
    scale: float | None = None,
    mask: Mask = None,
    layout: Layout = "bhld",
    backend: Backend = "auto",
) -> mx.array:
    r"""Return :math:`\mathrm{softmax}(scale \cdot q k^\top + mask)\, v` over every head.

    Source: Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762), eq. 1; grouped queries: Ainslie et
    al. (arXiv 2305.13245); recomputed blocks: Rabe and Staats (arXiv 2112.05682).

    A query that may see no key at all, as the first `Lq - Lk` with a causal mask, gets an output of zero and passes no
    gradient, never nan. All backends agree in that and in the rest, forward and backward.

    Args:
        q: Queries `[B, H, Lq, d]`, or `[B, Lq, H, d]` with layout `"blhd"`. float32, bfloat16 or float16.
        k: Keys `[B, Hkv, Lk, d]` of the same dtype. `H` is a multiple of `Hkv`: query head `h` reads
            key head `h // (H / Hkv)`.
        v: Values `[B, Hkv, Lk, dv]` of the same dtype.
        scale: What the scores are multiplied by, `d ** -0.5` when left out.
        mask: None; `"causal"`: query `i` sees keys up to `i + Lk - Lq`, so that the last query sees all;
            a bool array, True where a query may look; or a floating point array that is added to the scores, in
            the dtype of `q`: minus infinity hides a key, the lowest finite number does not. An array broadcasts to
            `[B, H, Lq, Lk]` in both layouts.
        layout: Order of the axes of `q`, `k`, `v` and the result.
        backend: `"fused"` is `mx.fast`, `"chunked"` plain operations on one block of scores at a time,
            `"cpu"` the same with exponentials for MLX's Linux CPU backend, `"reference"` plain operations
            in float32. `"auto"` chooses; `attention_backend` says what and why.

    Returns:
        `[B, H, Lq, dv]`, or `[B, Lq, H, dv]` with layout `"blhd"`, in the dtype of `q`.

    Raises:
        HRMOpsError: If shapes, dtypes, head counts or options do not fit; the message names the argument.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import attention
        >>> q, kv = mx.random.normal((2, 10, 8, 64)), mx.random.normal((2, 20, 2, 64))
        >>> attention(q, kv, kv, mask="causal", layout="blhd").shape
        (2, 10, 8, 64)
    """
    chosen, direct = _plan(q, k, v, mask, layout, backend)
    if direct and scale is None:
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5)
    inputs = read_inputs(q, k, v, scale, mask, layout)
    out = _run((chosen or _for_many_scores(inputs)).name, inputs)
    return out.swapaxes(1, 2) if layout == "blhd" else out


@dataclass(frozen=True)
class AttentionBackend:
    """The backend that `attention` chooses, and the reason in words.

    Example:
        >>> from hrm_ops import AttentionBackend
        >>> AttentionBackend("reference", "asked for").name
        'reference'
    """

    name: Literal["fused", "chunked", "cpu", "reference"]
    reason: str


def attention_backend(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    *,
    mask: Mask = None,
    layout: Layout = "bhld",
    backend: Backend = "auto",
) -> AttentionBackend:
    """Return which backend `attention` chooses for these arguments on the default device, and why.

    Nothing is computed, so arrays that were never evaluated will do: `mx.zeros(shape, dtype)`.

    Args:
        q: Queries as for `attention`, `[B, H, Lq, d]`.
        k: Keys `[B, Hkv, Lk, d]`.
        v: Values `[B, Hkv, Lk, dv]`.
        mask: As for `attention`.
        layout: As for `attention`.
        backend: As for `attention`.

    Raises:
        HRMOpsError: As `attention`.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import attention_backend
        >>> q = mx.zeros((1, 8, 4096, 64))
        >>> attention_backend(q, q, q, backend="reference").reason
        'asked for'
    """
    chosen, _ = _plan(q, k, v, mask, layout, backend)
    return chosen or _for_many_scores(read_inputs(q, k, v, None, mask, layout))


def _plan(
    q: mx.array, k: mx.array, v: mx.array, mask: object, layout: str, backend: str
) -> tuple[AttentionBackend | None, bool]:
    """Check everything but `scale`; return the backend that the shapes decide, and whether `mx.fast` suffices."""
    if layout not in ("bhld", "blhd"):
        raise HRMOpsError(f"[attention] layout must be 'bhld' or 'blhd', but is {layout!r}.")
    if backend not in _BACKENDS:
        raise HRMOpsError(f"[attention] backend must be one of {', '.join(_BACKENDS)}, but is {backend!r}.")
    check_array("attention", "q", q)
    check_array("attention", "k", k)
    check_array("attention", "v", v)
    if mask is None or isinstance(mask, str):
        of_mask: FormOfMask = mask
    elif isinstance(mask, mx.array):
        of_mask = Form(mask.shape, mask.dtype)
    else:
        raise HRMOpsError(f"[attention] mask must be None, 'causal' or an array, but is a {type(mask).__name__}.")
    on_cpu = mx.default_device().type == _CPU
    return _choose(q.shape, q.dtype, k.shape, k.dtype, v.shape, v.dtype, of_mask, layout, backend, on_cpu, sys.platform)


@lru_cache(maxsize=1024)  # all this takes longer than MLX for small arrays
def _choose(
    q: Shape,
    q_dtype: mx.Dtype,
    k: Shape,
    k_dtype: mx.Dtype,
    v: Shape,
    v_dtype: mx.Dtype,
    mask: FormOfMask,
    layout: str,
    backend: str,
    on_cpu: bool,
    platform: str,
) -> tuple[AttentionBackend | None, bool]:
    shapes = check_forms(Form(q, q_dtype), Form(k, k_dtype), Form(v, v_dtype), mask, layout)
    if backend == "cpu" and not (on_cpu and platform == "linux"):
        raise HRMOpsError(
            f"[attention] backend 'cpu' serves MLX's CPU backend under Linux, but the default device is "
            f"{mx.default_device()} under {platform}; use 'auto'."
        )
    few = blocks.is_few(*shapes)
    scores = blocks.count_scores(*shapes[:2])
    chosen = None
    if backend != "auto":
        chosen = AttentionBackend(backend, "asked for")  # type: ignore[arg-type]
    elif on_cpu and platform == "linux":
        chosen = AttentionBackend("cpu", "MLX's Linux CPU backend, where exp is slow and nothing is fused")
        if scores <= _kernels.FEW_SCORES and q_dtype == mx.float32:
            reason = f"{scores} scores are too few to pay for more than one call of mx.fast"
            chosen = AttentionBackend("fused", reason)
    elif few:
        chosen = AttentionBackend("fused", f"{scores} scores fit into memory in one piece")
    fused = chosen is not None and chosen.name == "fused"
    return chosen, fused and (on_cpu or few) and mask is None and layout == "bhld" and scores > 0


def _for_many_scores(inputs: Inputs) -> AttentionBackend:
    """Choose by what MLX has at this moment: it can depend on whether gradients are computed."""
    if _has_fused_kernel(inputs):
        gradient = "cuDNN's" if _has_fused_gradient(inputs) else "chunked"
        return AttentionBackend("fused", f"mx.fast has a kernel for this head size; the gradient is {gradient}")
    scores = blocks.count_scores(inputs.q.shape, inputs.k.shape)
    return AttentionBackend("chunked", f"mx.fast would hold all {scores} scores: it has no kernel for this case")


def _run(name: str, inputs: Inputs) -> mx.array:
    live = inputs.without_blind_queries()
    if blocks.count_scores(live.q.shape, live.k.shape) == 0:
        out = mx.zeros((*live.q.shape[:-1], inputs.v.shape[-1]), inputs.q.dtype)
    elif name == "reference":
        out = _reference(live)
    elif name == "fused":
        out = _fused(live)
    else:
        out = blocks.attention(live, LINUX_CPU if name == "cpu" else blocks.PLAIN)
    blind = inputs.q.shape[2] - live.q.shape[2]
    return mx.pad(out, [(0, 0), (0, 0), (blind, 0), (0, 0)]) if blind else out


def _reference(inputs: Inputs) -> mx.array:
    """Plain operations in float32, the oracle of the tests."""
    q, k, v = (a.astype(mx.float32) for a in (inputs.q, inputs.k, inputs.v))
    k, v = (mx.repeat(a, inputs.groups, axis=1) for a in (k, v))
    scores = inputs.scale * (q @ k.swapaxes(-1, -2))
    bias = inputs.causal_bias() if inputs.causal else inputs.bias()
    if bias is not None:
        sees = bias > -mx.inf
        scores = scores + mx.where(sees.any(axis=-1, keepdims=True), bias, 0)
    weights = mx.softmax(scores, axis=-1)
    if bias is not None:
        weights = mx.where(sees, weights, 0)
    return (weights @ v).astype(inputs.q.dtype)


def _fused(inputs: Inputs) -> mx.array:
    """`mx.fast`, with zeros for queries that see nothing, and a chunked gradient where scores are many."""
    mask: mx.array | str | None = "causal" if inputs.causal else None
    sees: mx.array | None = None
    if inputs.mask is not None:
        allowed = inputs.mask if inputs.mask.dtype == mx.bool_ else inputs.mask > -mx.inf
        sees = allowed.any(axis=-1, keepdims=True)
        mask = mx.where(sees, inputs.mask, True if inputs.mask.dtype == mx.bool_ else 0)

    def kernel(q: mx.array, k: mx.array, v: mx.array, mask: mx.array | str | None = mask) -> mx.array:
        out = mx.fast.scaled_dot_product_attention(q, k, v, scale=inputs.scale, mask=mask)
        return out if sees is None else mx.where(sees, out, 0)

    few = blocks.is_few(inputs.q.shape, inputs.k.shape, inputs.v.shape)
    if few or mx.default_device().type == _CPU or _has_fused_gradient(inputs):
        return kernel(inputs.q, inputs.k, inputs.v)
    return blocks.with_chunked_gradient(kernel, inputs)


def _has_fused_gradient(inputs: Inputs) -> bool:
    """Whether the gradient of `mx.fast` holds no scores: on CUDA, where it is cuDNN's."""
    return mx.cuda.is_available() and inputs.mask is None and _has_fused_kernel(inputs)


def _has_fused_kernel(inputs: Inputs) -> bool:
    mask = "causal" if inputs.causal else inputs.mask
    try:  # builds a graph, computes nothing
        mx.fast.scaled_dot_product_attention(
            inputs.q, inputs.k, inputs.v, scale=inputs.scale, mask=mask, force_fused=True
        )
    except (ValueError, RuntimeError):
        return False
    return True
