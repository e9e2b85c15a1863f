"""The settings of training."""

from typing import Annotated, Literal, Self

from hrm_model.untrusted import at_most
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hrm_train._choices import Checkpointing, Halting, LossType
from hrm_train._errors import HRMTrainError

_COUNTED = at_most(2**31 - 1, "a counter of 32 bits can hold")
_FINITE = at_most(1e6, "keeps updates finite")
Count = Annotated[int, Field(ge=1), _COUNTED]
CountOrNone = Annotated[int, Field(ge=0), _COUNTED]
Rate = Annotated[float, Field(gt=0), _FINITE]
Decay = Annotated[float, Field(ge=0), _FINITE]
Limit = Annotated[float, Field(ge=0), at_most(2**20, "is more memory than any machine has")]


class TrainConfig(BaseModel):
    """The training settings; names follow the reference's configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: Count = Field(26041, description="ACT training steps of the run.")
    epochs: CountOrNone = Field(
        0,
        description="Passes over the training puzzles, from which the steps follow; 0 for train.steps.",
    )
    global_batch_size: Count = Field(768, description="Slots that are trained at once.")
    lr: Rate = Field(1e-4, description="Peak learning rate of everything but the puzzle table.")
    lr_min_ratio: float = Field(1.0, ge=0, le=1, description="Final learning rate as a share of the peak.")
    lr_warmup_steps: CountOrNone = Field(2000, description="Steps over which the learning rate rises.")
    weight_decay: Decay = Field(1.0, description="Decoupled weight decay.")
    beta1: float = Field(0.9, ge=0, lt=1, description="Decay of the gradient's running average.")
    beta2: float = Field(0.95, ge=0, lt=1, description="Decay of the squared gradient's running average.")
    puzzle_emb_lr: Rate = Field(1e-4, description="Peak learning rate of the puzzle table.")
    puzzle_emb_weight_decay: Decay = Field(1.0, description="Weight decay of the puzzle table.")
    loss_type: LossType = Field("stablemax_cross_entropy", description="Prediction loss.")
    seed: Annotated[int, at_most(2**63 - 1, "a seed of 64 bits can hold")] = Field(
        0, ge=0, description="Seed of weights, exploration and data order."
    )
    halt_warmup_steps: CountOrNone = Field(
        0,
        description="First steps of the run, which give each puzzle one ACT step, so that more puzzles are seen.",
    )
    act_steps: CountOrNone = Field(
        0,
        description="Most ACT steps of a puzzle in training, up to arch.halt_max_steps; 0 for as many.",
    )
    on_nan: Literal["stop", "skip"] = Field(
        "stop", description="Reaction to a loss or gradient that is not finite: stop the run, or skip the step."
    )
    micro_batch_size: CountOrNone = Field(
        0,
        description="Slots that a rank computes at once, accumulating gradients; 0 for all.",
    )
    activation_checkpointing: Checkpointing = Field(
        "none", description="What the gradient computes again to save memory: nothing, or the inside of blocks."
    )
    halting: Halting = Field(
        "learned",
        description="When a puzzle halts in training and its evaluations; fixed: at the most steps only.",
    )
    clip_norm: Decay = Field(0.0, description="Largest global norm of the dense gradients; 0 does not clip.")
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of the average of the weights that evaluation and weight files use; 0 keeps no average.",
    )
    memory_limit_gib: Limit = Field(0.0, description="Memory above which MLX waits for running work; 0: MLX's default.")
    cache_limit_gib: Limit = Field(0.0, description="Freed memory that MLX keeps for reuse; 0: MLX's default.")
    wired_limit_gib: Limit = Field(0.0, description="Memory that macOS keeps resident for the GPU; 0: the system's.")
    early_stop_accuracy: float = Field(
        0.0, ge=0, le=1, description="Exact accuracy in a training report at which the run ends; 0 never ends it early."
    )
    rank_timeout: Annotated[float, at_most(10**7, "bounds the time for which lost ranks are waited for")] = Field(
        1800.0, gt=0, description="Seconds without a step after which a rank ends, if there are several."
    )
    log_interval: Count = Field(50, description="Steps between two reports.")
    eval_interval: Count = Field(2000, description="Steps between two evaluations on held-out puzzles.")
    eval_limit: CountOrNone = Field(4096, description="Held-out puzzles in an evaluation, evenly spread; 0 for all.")
    checkpoint_interval: Count = Field(1000, description="Steps between two checkpoints.")
    keep_checkpoints: Count = Field(2, description="How many of the newest checkpoints are kept.")
    keep_best: Literal["exact_accuracy", "accuracy", "q_halt_accuracy", "none"] = Field(
        "exact_accuracy",
        description="Held-out score whose best checkpoint is kept as well; none keeps no other.",
    )

    @model_validator(mode="after")
    def _micro_batches_fit(self) -> Self:
        if self.micro_batch_size and self.global_batch_size % self.micro_batch_size:
            raise ValueError(
                f"micro_batch_size {self.micro_batch_size} must divide global_batch_size {self.global_batch_size}"
            )
        return self

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs and "steps" in self.model_fields_set:
            raise ValueError(f"steps {self.steps} and epochs {self.epochs} are both given; leave one of them out")
        return self

    def resolved(self, examples: float) -> Self:
        """Return these settings with the steps that the epochs make of so many examples in a pass.

        `total_groups * mean_puzzle_examples` of a dataset are its examples in a pass. Source: the reference's
        `pretrain.py`, which counts steps in this way.

        Raises:
            HRMTrainError: If the epochs do not fill one batch, or make too many steps.
        """
        if not self.epochs:
            return self
        steps = int(self.epochs * examples / self.global_batch_size)
        if not 1 <= steps < 2**31:
            raise HRMTrainError(
                f"epochs {self.epochs} of {examples:,.0f} examples make {steps:,} steps of batch size "
                f"{self.global_batch_size}; change epochs, or give steps"
            )
        return self.model_copy(update={"steps": steps, "epochs": 0})

    def slots_per_rank(self, ranks: int) -> int:
        """Return how many slots each rank trains.

        Raises:
            HRMTrainError: If the batch cannot be divided among the ranks, or a rank's share into micro-batches.
        """
        slots, rest = divmod(self.global_batch_size, ranks)
        if rest:
            raise HRMTrainError(
                f"global_batch_size is {self.global_batch_size}, but must be a multiple of {ranks} ranks"
            )
        if slots % (self.micro_batch_size or slots):
            raise HRMTrainError(
                f"micro_batch_size is {self.micro_batch_size}, but must divide the {slots} slots "
                f"of each of {ranks} ranks"
            )
        return slots
