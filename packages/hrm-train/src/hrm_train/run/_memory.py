"""Limits on the memory that MLX uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx

from hrm_train._config import TrainConfig

_GIB = 2**30


@contextmanager
def memory_limits(config: TrainConfig) -> Iterator[None]:
    """Apply the memory limits of a configuration during the block; a limit of 0 changes nothing."""
    limits = {
        mx.set_memory_limit: config.memory_limit_gib,
        mx.set_cache_limit: config.cache_limit_gib,
        mx.set_wired_limit: config.wired_limit_gib,
    }
    before = [(set_limit, set_limit(int(gib * _GIB))) for set_limit, gib in limits.items() if gib]
    try:
        yield
    finally:
        for set_limit, limit in before:
            set_limit(limit)
