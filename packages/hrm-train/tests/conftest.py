"""Tiny models, batches and training settings for the tests."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, HRMConfig
from hrm_train import TrainConfig

TINY: dict[str, Any] = {
    "H_layers": 1,
    "L_layers": 1,
    "hidden_size": 16,
    "num_heads": 2,
    "expansion": 1.0,
    "puzzle_emb_ndim": 16,
    "halt_max_steps": 4,
    "halt_exploration_prob": 0.5,
    "forward_dtype": "float32",
    "seq_len": 16,
    "vocab_size": 7,
    "num_puzzle_identifiers": 5,
}


class Puzzles:
    """Batches that follow from their position alone."""

    def __init__(self, config: HRMConfig, batch_size: int) -> None:
        self.config, self.batch_size, self.position = config, batch_size, 0

    def __next__(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(self.position)
        self.position += 1
        shape = (self.batch_size, self.config.seq_len)
        labels = rng.integers(0, self.config.vocab_size, shape)
        labels[rng.random(shape) < 0.3] = -100
        return {
            "inputs": rng.integers(0, self.config.vocab_size, shape).astype(np.int32),
            "labels": labels.astype(np.int32),
            "puzzle_identifiers": rng.integers(0, self.config.num_puzzle_identifiers, self.batch_size).astype(np.int32),
        }


@pytest.fixture
def make_model() -> Callable[..., HRM]:
    """Return a function that makes a tiny model whose halting decisions differ from slot to slot."""

    def make(**changes: Any) -> HRM:
        mx.random.seed(0)
        model = HRM(HRMConfig(**{**TINY, **changes}))
        model.q_head.weight = 0.5 * mx.random.normal(model.q_head.weight.shape)
        model.q_head.bias = mx.array([-0.1, 0.1])
        mx.eval(model.parameters())
        return model

    return make


@pytest.fixture
def make_puzzles() -> Callable[[HRM], Puzzles]:
    return lambda model: Puzzles(model.config, 4)


@pytest.fixture
def make_config() -> Callable[..., TrainConfig]:
    """Return a function that makes the settings of a run of twelve steps."""

    def make(**changes: Any) -> TrainConfig:
        short = {"steps": 12, "global_batch_size": 4, "lr": 1e-2, "puzzle_emb_lr": 1e-2, "lr_warmup_steps": 3}
        intervals = {"log_interval": 4, "eval_interval": 6, "checkpoint_interval": 100, "keep_checkpoints": 2}
        return TrainConfig(**{**short, **intervals, "lr_min_ratio": 0.1, **changes})

    return make
