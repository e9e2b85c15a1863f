"""What can be chosen by name. Imports nothing, so that the settings can be described without MLX."""

from typing import Literal

LossType = Literal["stablemax_cross_entropy", "softmax_cross_entropy"]
"""Names of the cross entropies, as in the reference's configuration."""
Halting = Literal["learned", "fixed"]
"""When a slot halts in training: when the model says so, or after the most steps only."""
Checkpointing = Literal["none", "blocks"]
"""What is computed again for the gradient."""
WandbMode = Literal["disabled", "offline", "online"]
"""Whether reports go to Weights & Biases: not at all, to files for later, or at once."""
