"""Chooses the block that a configuration asks for."""

import mlx.nn as nn
from hrm_ops import TransformerBlock

from hrm_model._config import HRMConfig
from hrm_model.blocks._board_block import BoardBlock
from hrm_model.blocks._mlp_mixer import MixerBlock


def make_block(config: HRMConfig) -> nn.Module:
    """Return one block of a reasoning module."""
    D, expansion, eps = config.hidden_size, config.expansion, config.rms_norm_eps
    if config.on_board:
        return BoardBlock(config)
    if config.mixer == "mlp":
        return MixerBlock(config.total_len, D, expansion, eps, config.swiglu_multiple)
    return TransformerBlock(D, config.num_heads, expansion, eps, swiglu_multiple=config.swiglu_multiple)
