"""The learning rate schedule."""

import math

import mlx.core as mx

from hrm_train.step._optimizers import Schedule


def cosine_with_warmup(peak: float, warmup_steps: int, total_steps: int, min_ratio: float = 1.0) -> Schedule:
    """Return a learning rate that rises linearly and then falls to a floor along a half cosine.

    Updates count from 1: the first update of a warm-up over `w` steps has the rate `peak / w`.

    Args:
        peak: Rate at the end of the warm-up.
        warmup_steps: Updates until the peak.
        total_steps: Updates until the floor.
        min_ratio: The floor as a share of the peak; 1 keeps the rate constant.

    Returns:
        Function from the number of updates done (scalar array) to the rate of the next (float32 scalar).
    """

    def rate(updates_done: mx.array) -> mx.array:
        step = updates_done.astype(mx.float32) + 1
        progress = mx.clip((step - warmup_steps) / max(1, total_steps - warmup_steps), 0, 1)
        decayed = min_ratio + (1 - min_ratio) * 0.5 * (1 + mx.cos(math.pi * progress))
        return peak * mx.where(step < warmup_steps, step / max(1, warmup_steps), decayed)

    return rate
