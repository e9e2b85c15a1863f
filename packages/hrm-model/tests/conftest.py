from collections.abc import Callable
from typing import Any

import mlx.core as mx
import pytest
from hrm_model import HRM, Batch, HRMConfig

TINY: dict[str, Any] = {
    "H_layers": 1,
    "L_layers": 1,
    "hidden_size": 16,
    "num_heads": 2,
    "expansion": 1.0,
    "puzzle_emb_ndim": 16,
    "halt_max_steps": 4,
    "halt_exploration_prob": 0.0,
    "forward_dtype": "float32",
    "seq_len": 16,
    "vocab_size": 7,
    "num_puzzle_identifiers": 5,
}


@pytest.fixture
def make_config() -> Callable[..., HRMConfig]:
    return lambda **changes: HRMConfig(**{**TINY, **changes})


@pytest.fixture
def make_model(make_config: Callable[..., HRMConfig]) -> Callable[..., HRM]:
    """Return a function that makes a tiny model whose heads and puzzle table are not at their constant start."""

    def make(**changes: Any) -> HRM:
        mx.random.seed(0)
        model = HRM(make_config(**changes))
        model.q_head.weight = 0.5 * mx.random.normal(model.q_head.weight.shape)
        model.q_head.bias = mx.array([-0.1, 0.1])
        if model.config.puzzle_emb_ndim:
            model.puzzle_emb.weight = mx.random.normal(model.puzzle_emb.weight.shape)
        mx.eval(model.parameters())
        return model

    return make


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Return a function that draws a batch for a configuration."""

    def make(config: HRMConfig, batch_size: int = 4, seed: int = 0) -> Batch:
        keys = mx.random.split(mx.random.key(seed), 3)
        tokens = (batch_size, config.seq_len)
        return Batch(
            inputs=mx.random.randint(0, config.vocab_size, tokens, key=keys[0]),
            labels=mx.random.randint(0, config.vocab_size, tokens, key=keys[1]),
            puzzle_identifiers=mx.random.randint(0, config.num_puzzle_identifiers, (batch_size,), key=keys[2]),
        )

    return make
