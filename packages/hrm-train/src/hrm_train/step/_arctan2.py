"""The arc tangent of Adam-atan2: a polynomial on MLX's Linux CPU backend, where `mx.arctan2` is slow."""

import math
import sys

import mlx.core as mx

# arctan(r) / r is the polynomial in r**2 with these coefficients, from the constant up, to 1.8e-8 for 0 <= r <= 1
_COEFFICIENTS = (
    1.0,
    -0.3333309292793274,
    0.19993053376674652,
    -0.14207133650779724,
    0.10654677450656891,
    -0.0753367617726326,
    0.043039366602897644,
    -0.016283007338643074,
    0.002903552493080497,
)
_TINY = 1.2e-38  # about the smallest normal float32
_FEW = 8192  # elements, below which the calls of the polynomial cost more than it saves


def arctan2(y: mx.array, x: mx.array) -> mx.array:
    """Return the angle of points `(x, y)` with `x >= 0`: between -pi/2 and pi/2, and 0 at the origin.

    On MLX's Linux CPU backend, large float32 arrays use a polynomial with a relative error below 3e-7. Inside
    `mx.compile` it is several times as fast as `mx.arctan2`; it has no gradient. Everything else uses `mx.arctan2`.

    Args:
        y: Array of any shape.
        x: Array of the same shape and dtype, nowhere negative.

    Returns:
        Radians, an array of the same shape and dtype.
    """
    on_linux_cpu = sys.platform == "linux" and mx.default_device().type == mx.DeviceType.cpu
    if on_linux_cpu and y.dtype == mx.float32 and y.size >= _FEW:
        return _of_many(y, x)
    return mx.arctan2(y, x)


def _of_many(y: mx.array, x: mx.array) -> mx.array:
    flat_y, flat_x = y.reshape(-1), x.reshape(-1)
    height = mx.abs(flat_y)
    ratio = _cut(mx.minimum(height, flat_x) / mx.maximum(mx.maximum(height, flat_x), _TINY))
    angle = _cut(_arctan(ratio))  # from the nearer axis
    # 1 below the diagonal, -1 above it: mx.where would make a branch for every element.
    side = mx.sign(flat_x - mx.abs(flat_y))
    return (mx.sign(flat_y) * ((math.pi / 4) * (1 - side) + side * angle)).reshape(y.shape)


def _arctan(r: mx.array) -> mx.array:
    """Return the arc tangent for `r` from 0 to 1, in few levels, so that it is one fused kernel."""
    c, r2 = _COEFFICIENTS, r * r
    r4 = r2 * r2
    low = (c[0] + c[1] * r2) + (c[2] + c[3] * r2) * r4
    high = (c[4] + c[5] * r2) + (c[6] + c[7] * r2) * r4
    r8 = r4 * r4
    return ((low + high * r8) + (c[8] * r8) * r8) * r


def _cut(flat: mx.array) -> mx.array:
    """End a fused kernel here: where `mx.compile` splits one by itself, it does not vectorise the parts."""
    return flat.reshape(1, -1).reshape(-1)
