import mlx.core as mx

from hrm_ops import _cpu


def rms_norm(x: mx.array, weight: mx.array | None = None, eps: float = 1e-5) -> mx.array:
    r"""Scale the last axis to unit root mean square: :math:`x / \sqrt{\mathrm{mean}(x^2) + \epsilon}`.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (arXiv 1910.07467), eq. 4.

    Args:
        x: Array ``[..., D]``. Half precisions are accumulated in float32.
        weight: Optional gain ``[D]``.
        eps: Added to the mean of squares.

    Returns:
        Array of the shape and dtype of ``x``.
    """
    if weight is None and _cpu.is_active(x):
        return _cpu.rms_norm(x, eps)
    return mx.fast.rms_norm(x, weight, eps)
