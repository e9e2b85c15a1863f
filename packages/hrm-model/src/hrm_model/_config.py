"""The configuration of a model: architecture, halting and the shape of the data."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import mlx.core as mx

Count = Annotated[int, Field(ge=1)]


class ArchConfig(BaseModel):
    """Architecture and halting; everything that does not follow from the data.

    Field names are those of the reference's configuration (arXiv 2506.21734, PyTorch release).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    variant: Literal["hrm", "trm", "transformer"] = Field(
        "hrm", description="The model, or a relative: tiny recursive model, flat transformer."
    )
    H_cycles: Count = Field(2, description="Cycles of the slow module in one step (N in the paper).")
    L_cycles: Count = Field(2, description="Cycles of the fast module in one H cycle (T in the paper).")
    H_layers: Count = Field(4, description="Transformer blocks in the slow module.")
    L_layers: Count = Field(4, description="Transformer blocks in the fast module.")

    hidden_size: Count = Field(512, description="Width of the model.")
    expansion: float = Field(4.0, gt=0, description="Width of the feed-forward layer over the hidden size.")
    num_heads: Count = Field(8, description="Attention heads; divides the hidden size.")
    mixer: Literal["attention", "mlp"] = Field("attention", description="What mixes positions in a block.")
    pos_encodings: Literal["rope", "learned", "none"] = Field("rope", description="How positions are encoded.")
    rms_norm_eps: float = Field(1e-5, gt=0, description="Added to the mean of squares in the norm.")
    rope_theta: float = Field(10000.0, gt=0, description="Base of the rotary wavelengths.")

    puzzle_emb_ndim: int = Field(512, ge=0, description="Width of a puzzle embedding; 0 leaves the prefix out.")

    puzzle_emb_len: int = Field(
        0, ge=0, description="Positions that a puzzle embedding takes; 0 for as many as its width needs."
    )

    halt_max_steps: Count = Field(16, description="Most ACT steps that a puzzle gets.")
    halt_exploration_prob: float = Field(
        0.1, ge=0, le=1, description="Share of puzzles that must take a random least number of steps."
    )
    halt_loss: Literal["q_learning", "bce"] = Field(
        "q_learning",
        description="How halting is learned; bce leaves out the value of continuing and the pass that it takes.",
    )
    forward_dtype: Literal["bfloat16", "float32"] = Field(
        "bfloat16", description="Dtype of activations; parameters are float32."
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden_size % self.num_heads:
            raise ValueError(f"num_heads must divide hidden_size {self.hidden_size}, but is {self.num_heads}")
        if self.mixer == "attention" and self.pos_encodings == "rope" and (self.hidden_size // self.num_heads) % 2:
            raise ValueError(
                f"rope needs an even head size, but hidden_size / num_heads is "
                f"{self.hidden_size} / {self.num_heads} = {self.hidden_size // self.num_heads}"
            )
        if 0 < self.puzzle_emb_len * self.hidden_size < self.puzzle_emb_ndim:
            raise ValueError(
                f"puzzle_emb_len {self.puzzle_emb_len} positions of {self.hidden_size} do not hold "
                f"puzzle_emb_ndim {self.puzzle_emb_ndim}"
            )
        return self


class HRMConfig(ArchConfig):
    """The complete configuration of a model: its architecture and the shape of its data."""

    seq_len: Count = Field(description="Tokens in a puzzle, without the puzzle prefix.")
    vocab_size: Count = Field(description="Number of tokens, padding included.")
    num_puzzle_identifiers: Count = Field(description="Rows of the puzzle embedding table.")

    @property
    def prefix_len(self) -> int:
        """Positions of the puzzle embedding: `puzzle_emb_len`, or `ceil(puzzle_emb_ndim / hidden_size)` if 0."""
        needed = -(-self.puzzle_emb_ndim // self.hidden_size)
        return self.puzzle_emb_len if needed and self.puzzle_emb_len else needed

    @property
    def total_len(self) -> int:
        """Number of positions in the states: prefix and tokens."""
        return self.prefix_len + self.seq_len

    @property
    def bootstraps(self) -> bool:
        """Whether training runs a second forward pass for the target of `q_continue`."""
        return self.halt_max_steps > 1 and self.halt_loss == "q_learning"

    @property
    def dtype(self) -> "mx.Dtype":
        """Dtype of activations."""
        import mlx.core as mx  # imported here because `--help` reads this module and must start fast

        return mx.bfloat16 if self.forward_dtype == "bfloat16" else mx.float32
