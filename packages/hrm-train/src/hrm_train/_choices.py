"""Settings that are chosen by name; imports no MLX, so that help starts fast."""

from typing import Literal

LossType = Literal["stablemax_cross_entropy", "softmax_cross_entropy"]
"""Names of the cross entropies, as in the reference's configuration."""
Halting = Literal["learned", "fixed"]
"""When a puzzle halts: `learned` when the model decides, `fixed` after `halt_max_steps` only."""
Checkpointing = Literal["none", "blocks"]
"""What the gradient computes again to save memory: nothing, or the inside of blocks."""
WandbMode = Literal["disabled", "offline", "online"]
"""Whether reports go to Weights & Biases: not at all, to files for a later upload, or at once."""
