import mlx.core as mx


def stablemax_score(x: mx.array) -> mx.array:
    """Return the unnormalised stablemax score: ``x + 1`` for ``x >= 0``, else ``1 / (1 - x + 1e-30)``.

    Source: Prieto et al., "Grokking at the Edge of Numerical Stability" (arXiv 2501.04697), eq. 7.

    Args:
        x: Logits of any shape.

    Returns:
        Positive scores of the same shape and dtype.
    """
    negative = mx.minimum(x, 0)  # keeps the branch that is not taken finite, so its gradient is 0, not nan
    return mx.where(x < 0, 1 / (1 - negative + 1e-30), x + 1)


def log_stablemax(x: mx.array, axis: int = -1) -> mx.array:
    """Return log probabilities ``log(s(x) / sum s(x))`` along ``axis``.

    Args:
        x: Logits of any shape. Half precisions are computed in float32.
        axis: The axis that is normalised.

    Returns:
        Log probabilities of the shape of ``x``, float32 (float64 for float64 input).
    """
    if x.dtype != mx.float64:
        x = x.astype(mx.float32)
    score = stablemax_score(x)
    return mx.log(score) - mx.log(score.sum(axis=axis, keepdims=True))


def stablemax(x: mx.array, axis: int = -1) -> mx.array:
    """Return probabilities ``s(x) / sum s(x)`` along ``axis``; they are positive and sum to one.

    Args:
        x: Logits of any shape. Half precisions are computed in float32.
        axis: The axis that is normalised.

    Returns:
        Probabilities of the shape of ``x``, float32 (float64 for float64 input).
    """
    return mx.exp(log_stablemax(x, axis))
