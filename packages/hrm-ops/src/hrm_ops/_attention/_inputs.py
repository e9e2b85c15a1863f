"""The arguments of `hrm_ops.attention`: checked, and brought to one form."""

from typing import Literal, NamedTuple

import mlx.core as mx

from hrm_ops._errors import HRMOpsError

Layout = Literal["bhld", "blhd"]
Mask = mx.array | Literal["causal"] | None

Shape = tuple[int, ...]
Shapes = tuple[Shape, Shape, Shape]  # of q, k and v

FLOATS = (mx.float32, mx.bfloat16, mx.float16)


class Inputs(NamedTuple):
    """Arguments in the layout `[B, H, L, d]`; `mask` has four axes and is bool or of the dtype of `q`."""

    q: mx.array
    k: mx.array
    v: mx.array
    scale: float
    mask: mx.array | None
    causal: bool

    @property
    def groups(self) -> int:
        """Query heads for each key head."""
        return self.q.shape[1] // max(self.k.shape[1], 1)

    def without_blind_queries(self) -> "Inputs":
        """Leave out the first `Lq - Lk` queries of causal attention, which see no key."""
        blind = max(0, self.q.shape[2] - self.k.shape[2]) if self.causal else 0
        return self._replace(q=self.q[:, :, blind:]) if blind else self

    def bias(self) -> mx.array | None:
        """The mask as what is added to the scores: float32, with four axes that broadcast."""
        if self.mask is None or self.mask.dtype != mx.bool_:
            return None if self.mask is None else self.mask.astype(mx.float32)
        return mx.where(self.mask, mx.array(0.0), mx.array(-mx.inf))

    def causal_bias(self) -> mx.array:
        """Return what causal attention adds to the scores, `[Lq, Lk]` float32: 0 or minus infinity."""
        queries, keys = self.q.shape[2], self.k.shape[2]
        sees = mx.arange(keys - queries, keys)[:, None] >= mx.arange(keys)
        return mx.where(sees, mx.array(0.0), mx.array(-mx.inf))


class Form(NamedTuple):
    """The properties of an array that are checked."""

    shape: Shape
    dtype: mx.Dtype


FormOfMask = Form | str | None


def read_inputs(q: mx.array, k: mx.array, v: mx.array, scale: float | None, mask: Mask, layout: str) -> Inputs:
    """Bring arguments of `hrm_ops.attention`, whose forms were checked, to one form."""
    if layout == "blhd":
        q, k, v = q.swapaxes(1, 2), k.swapaxes(1, 2), v.swapaxes(1, 2)
    if scale is None:
        scale = q.shape[-1] ** -0.5
    elif not isinstance(scale, (int, float)):
        raise HRMOpsError(f"[attention] scale must be a number, but is {scale!r}.")
    if not isinstance(mask, mx.array):
        return Inputs(q, k, v, float(scale), None, mask == "causal")
    mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
    return Inputs(q, k, v, float(scale), mask if mask.dtype == mx.bool_ else mask.astype(q.dtype), False)


def check_forms(q: Form, k: Form, v: Form, mask: FormOfMask, layout: str) -> Shapes:
    """Raise unless the arguments of `hrm_ops.attention` fit; return the shapes of q, k, v in the layout bhld."""
    for name, form in (("q", q), ("k", k), ("v", v)):
        if len(form.shape) != 4:
            raise HRMOpsError(f"[attention] {name} must have 4 axes ({' '.join(layout)}), but is {form.shape}.")
        if form.dtype not in FLOATS:
            raise HRMOpsError(f"[attention] {name} must be float32, bfloat16 or float16, but is {form.dtype}.")
        if form.dtype != q.dtype:
            raise HRMOpsError(f"[attention] {name} must have the dtype of q, {q.dtype}, but is {form.dtype}.")
    shapes = q.shape, k.shape, v.shape
    if layout == "blhd":
        shapes = _swapped(q.shape), _swapped(k.shape), _swapped(v.shape)
    _check_shapes(*shapes)
    if isinstance(mask, Form):
        _check_mask(mask, (*shapes[0][:3], shapes[1][2]))
    elif mask not in (None, "causal"):
        raise HRMOpsError(f"[attention] mask must be None, 'causal' or an array, but is {mask!r}.")
    return shapes


def _check_shapes(q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> None:
    (B, H, _, d), (_, Hkv, Lk, _) = q, k
    if d == 0:
        raise HRMOpsError("[attention] q has heads of size 0, but they must have at least 1.")
    for name, shape in (("k", k), ("v", v)):
        if shape[0] != B:
            raise HRMOpsError(f"[attention] {name} must have the batch size of q, {B}, but has {shape[0]}.")
    if k[3] != d:
        raise HRMOpsError(f"[attention] k must have the head size of q, {d}, but has {k[3]}.")
    if Hkv == 0 or H % Hkv:
        raise HRMOpsError(f"[attention] k has {Hkv} heads, but their number must divide the {H} heads of q.")
    if v[1] != Hkv:
        raise HRMOpsError(f"[attention] v must have as many heads as k, {Hkv}, but has {v[1]}.")
    if v[2] != Lk:
        raise HRMOpsError(f"[attention] v must be as long as k, {Lk}, but has length {v[2]}.")


def _swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[0], shape[2], shape[1], shape[3]


def _check_mask(mask: Form, target: tuple[int, ...]) -> None:
    if mask.dtype != mx.bool_ and not mx.issubdtype(mask.dtype, mx.floating):
        raise HRMOpsError(f"[attention] mask must be bool or floating point, but is {mask.dtype}.")
    shape = (1,) * (4 - len(mask.shape)) + mask.shape
    if len(shape) > 4 or any(have not in (1, want) for have, want in zip(shape, target, strict=True)):
        raise HRMOpsError(f"[attention] mask must broadcast to [B, H, Lq, Lk] = {target}, but is {mask.shape}.")
