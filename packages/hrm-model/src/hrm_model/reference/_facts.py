"""What the weights of a checkpoint tell about their model: names say which one it is, shapes say how large."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import mlx.core as mx

from hrm_model._errors import HRMModelError


class Facts(NamedTuple):
    """What the weights determine.

    Attributes:
        variant: The model: with modules H and L, with L alone, or with H alone.
        mixes: Whether blocks mix positions with a gated unit instead of attention.
        H_layers: Blocks of H.
        L_layers: Blocks of L.
        hidden_size: Width of the model.
        vocab_size: Number of tokens.
        puzzles: Rows of the puzzle table; 1 without a table.
        puzzle_emb_ndim: Width of the puzzle table; 0 without a table.
        positions: Positions, prefix included, by the parameter that has one row or column for each.
    """

    variant: Literal["hrm", "trm", "transformer"]
    mixes: bool
    H_layers: int
    L_layers: int
    hidden_size: int
    vocab_size: int
    puzzles: int
    puzzle_emb_ndim: int
    positions: Mapping[str, int]

    @property
    def learned(self) -> bool:
        """Whether positions are learned vectors."""
        return "embed_pos.weight" in self.positions

    def settings(self) -> dict[str, Any]:
        """Return the fields of an `all_config.yaml` that follow, but for those without a meaning for this model."""
        found: dict[str, Any] = {"hidden_size": self.hidden_size, "puzzle_emb_ndim": self.puzzle_emb_ndim}
        if self.variant != "trm":
            found["H_layers"] = self.H_layers
        if self.variant != "transformer":
            found["L_layers"] = self.L_layers
        return found


def facts_of(weights: Mapping[str, mx.array], path: Path) -> Facts:
    """Return the facts in weights with the names of `HRM`.

    Raises:
        HRMModelError: If they are not those of an HRM or a relative.
    """

    def shape(name: str) -> tuple[int, ...]:
        if name not in weights:
            raise HRMModelError(f"{path}: has no parameter {name}, so it is not an HRM")
        if weights[name].ndim != 2 or not weights[name].size:
            raise HRMModelError(f"{path}: {name} has shape {weights[name].shape}, but must be a matrix")
        return weights[name].shape

    vocab_size, hidden_size = shape("embed_tokens.weight")
    puzzles, width = shape("puzzle_emb.weight") if "puzzle_emb.weight" in weights else (1, 0)
    H_layers, L_layers = _layers(weights, "H_level"), _layers(weights, "L_level")
    if not H_layers + L_layers:
        raise HRMModelError(f"{path}: has no parameter L_level.layers.0, so it is not an HRM")
    mixers = [name for name in weights if name.endswith(".mlp_t.gate_up_proj.weight")]
    positions = {name: shape(name)[1] for name in mixers}
    if "embed_pos.weight" in weights:
        positions["embed_pos.weight"] = shape("embed_pos.weight")[0]
    return Facts(
        "hrm" if H_layers and L_layers else "transformer" if H_layers else "trm",
        bool(mixers),
        H_layers,
        L_layers,
        hidden_size,
        vocab_size,
        puzzles,
        width,
        positions,
    )


def _layers(weights: Mapping[str, mx.array], level: str) -> int:
    return len({m[1] for name in weights if (m := re.match(rf"{level}\.layers\.([0-9]{{1,4}})\.", name))})
