"""The configuration of a model: architecture, halting and the shape of the data."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hrm_model._geometry import GeometryConfig
from hrm_model._variants import VARIANTS, Plan, Sizes, VariantName
from hrm_model.untrusted import at_most

if TYPE_CHECKING:
    import mlx.core as mx

Count = Annotated[int, Field(ge=1)]
# Bounds of single numbers, far above any model; `check_memory` compares what they make together with the machine.
_Cycles = Annotated[Count, at_most(1024, "bounds the time of a step, and of compiling it")]
_Layers = Annotated[Count, at_most(1024, "bounds the time of making a model, and of compiling a step")]
_Width = Annotated[Count, at_most(2**16, "bounds the memory of a layer")]
_MEMORY = at_most(2**16, "bounds the memory of states and tables")


class ArchConfig(BaseModel):
    """Architecture and halting; everything that does not follow from the data.

    Field names are those of the reference's configuration (arXiv 2506.21734, PyTorch release).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    variant: VariantName = Field("hrm", description="The model, or a relative: tiny recursive model, flat transformer.")
    H_cycles: _Cycles = Field(2, description="Cycles of the slow module in one step (N in the paper).")
    L_cycles: _Cycles = Field(2, description="Cycles of the fast module in one H cycle (T in the paper).")
    H_layers: _Layers = Field(4, description="Transformer blocks in the slow module.")
    L_layers: _Layers = Field(4, description="Transformer blocks in the fast module.")

    hidden_size: _Width = Field(512, description="Width of the model.")
    expansion: Annotated[float, at_most(64, "bounds the memory of a layer")] = Field(
        4.0, gt=0, description="Width of the feed-forward layer over the hidden size."
    )
    num_heads: _Width = Field(8, description="Attention heads; divides the hidden size.")
    swiglu_multiple: _Width = Field(
        256, description="The width of a feed-forward layer is rounded up to a multiple of this."
    )
    symbol_equivariant: bool = Field(
        False, description="Give each position one state for each symbol, so that symbols can be renamed."
    )
    mixer: Literal["attention", "mlp", "groups", "neighbours"] = Field(
        "attention",
        description="What mixes positions in a block: attention, a gated unit over positions, "
        "means over rows, columns and the task's groups, or a 3x3 convolution over the board.",
    )
    pos_encodings: Literal["rope", "rope2d", "learned", "grid", "none"] = Field(
        "rope",
        description="How positions are encoded: rotary in one or two dimensions, one vector for each position, "
        "or the sum of vectors of its row, its column and the task's groups.",
    )
    rms_norm_eps: Annotated[float, at_most(1, "keeps the states apart from zero")] = Field(
        1e-5, gt=0, description="Added to the mean of squares in the norm."
    )
    rope_theta: Annotated[float, at_most(1e12, "float32 can tell from infinity")] = Field(
        10000.0, gt=0, description="Base of the rotary wavelengths."
    )

    puzzle_emb_ndim: Annotated[int, _MEMORY] = Field(
        512, ge=0, description="Width of a puzzle embedding; 0 leaves the prefix out."
    )

    puzzle_emb_len: Annotated[int, at_most(4096, "bounds the memory of the states")] = Field(
        0, ge=0, description="Positions that a puzzle embedding takes; 0 for as many as its width needs."
    )

    puzzle_identifiers: Literal["given", "blank"] = Field(
        "given", description="Which row of the puzzle table a puzzle reads: its own, or row 0 like all others."
    )

    halt_max_steps: Annotated[Count, at_most(10_000, "bounds the memory of the answers after every step")] = Field(
        16, description="Most ACT steps that a puzzle gets."
    )
    halt_exploration_prob: float = Field(
        0.1, ge=0, le=1, description="Share of puzzles that must take a random least number of steps."
    )
    halt_loss: Literal["q_learning", "bce", "none"] = Field(
        "q_learning",
        description="How halting is learned; bce leaves out the value of continuing and the pass that it takes; "
        "with none a puzzle halts when the probabilities of its tokens, multiplied, exceed one half.",
    )
    forward_dtype: Literal["bfloat16", "float32"] = Field(
        "bfloat16", description="Dtype of activations; parameters are float32."
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden_size % self.num_heads:
            raise ValueError(f"num_heads must divide hidden_size {self.hidden_size}, but is {self.num_heads}")
        pairs = {"rope": 2, "rope2d": 4}.get(self.pos_encodings, 1)
        if self.mixer == "attention" and (self.hidden_size // self.num_heads) % pairs:
            raise ValueError(
                f"{self.pos_encodings} needs heads whose size is a multiple of {pairs}, but hidden_size / num_heads is "
                f"{self.hidden_size} / {self.num_heads} = {self.hidden_size // self.num_heads}"
            )
        self._check_unit(self.hidden_size)
        if 0 < self.puzzle_emb_len * self.hidden_size < self.puzzle_emb_ndim:
            raise ValueError(
                f"puzzle_emb_len {self.puzzle_emb_len} positions of {self.hidden_size} do not hold "
                f"puzzle_emb_ndim {self.puzzle_emb_ndim}"
            )
        if self.on_board:
            self._check_board_model()
        return self

    def _check_unit(self, width: int) -> None:
        """Raise `ValueError` if a feed-forward layer over this width would have no inner width."""
        if round(self.expansion * width * 2 / 3) < 1:
            raise ValueError(f"expansion {self.expansion} leaves a feed-forward layer over {width} without a width")

    def _check_board_model(self) -> None:
        """Raise `ValueError` for settings that a model of boards cannot have."""
        if self.symbol_equivariant and self.mixer == "mlp":
            raise ValueError("symbol_equivariant needs another mixer than mlp; choose groups, neighbours or attention")
        if self.halt_loss == "q_learning":
            raise ValueError(
                "halt_loss is q_learning, but a symbol-equivariant model, and one with mixer groups or neighbours, has "
                "no bootstrap pass; choose bce or none"
            )
        if self.puzzle_emb_ndim and self.puzzle_emb_ndim != self.hidden_size:
            raise ValueError(
                f"puzzle_emb_ndim is {self.puzzle_emb_ndim}, but must be 0 or the hidden_size {self.hidden_size} where "
                "the embedding is added to every position: in a symbol-equivariant model, and with mixer groups or "
                "neighbours"
            )

    @property
    def plan(self) -> Plan:
        """The networks of the variant, and the order of their calls in a step."""
        return VARIANTS[self.variant](Sizes(self.H_layers, self.L_layers, self.H_cycles, self.L_cycles))

    @property
    def on_board(self) -> bool:
        """Whether the blocks know the board: its rows, columns, groups or symbols."""
        return self.symbol_equivariant or self.mixer in ("groups", "neighbours")

    @property
    def prefix_len(self) -> int:
        """Positions of the puzzle embedding: `puzzle_emb_len`, or `ceil(puzzle_emb_ndim / hidden_size)` if 0.

        A model of boards adds the embedding to every position instead.
        """
        if self.on_board:
            return 0
        needed = -(-self.puzzle_emb_ndim // self.hidden_size)
        return self.puzzle_emb_len if needed and self.puzzle_emb_len else needed

    @property
    def needs_geometry(self) -> bool:
        """Whether the task must say where its tokens stand."""
        return self.on_board or self.pos_encodings in ("rope2d", "grid")


class HRMConfig(ArchConfig):
    """The complete configuration of a model: its architecture and the shape of its data."""

    seq_len: Annotated[Count, _MEMORY] = Field(description="Tokens in a puzzle, without the puzzle prefix.")
    vocab_size: Annotated[Count, _MEMORY] = Field(description="Number of tokens, padding included.")
    num_puzzle_identifiers: Annotated[Count, at_most(2**31 - 1, "an identifier of 32 bits can name")] = Field(
        description="Rows of the puzzle embedding table."
    )
    geometry: GeometryConfig | None = Field(None, description="The board, if the task has one.")

    @model_validator(mode="after")
    def _board_fits(self) -> Self:
        if self.mixer == "mlp":
            self._check_unit(self.total_len)
        if self.geometry is None:
            if self.needs_geometry:
                raise ValueError(
                    "symbol_equivariant, mixer groups or neighbours, and pos_encodings rope2d or grid need to know the "
                    "board, but these puzzles come without one; choose other settings, or a task with a geometry"
                )
            return self
        problem = self.geometry.problem(self.seq_len, self.vocab_size)
        if problem is None and self.mixer == "neighbours" and self.seq_len % self.geometry.columns:
            problem = f"{self.seq_len} tokens do not fill rows of {self.geometry.columns}, which mixer neighbours needs"
        if problem is None and self.symbol_equivariant and not self.geometry.planes:
            problem = "it names no symbols and no constants, which symbol_equivariant needs"
        if problem:
            raise ValueError(f"geometry does not fit: {problem}")
        return self

    @property
    def planes(self) -> int:
        """States of each position: one for each token that an answer may hold if symbol-equivariant, else 1."""
        return len(self.geometry.planes) if self.symbol_equivariant and self.geometry else 1

    @property
    def puzzle_row_width(self) -> int:
        """Numbers in a row of the puzzle table; a symbol-equivariant model has one more for each token."""
        if self.symbol_equivariant and self.puzzle_emb_ndim:
            return self.puzzle_emb_ndim + self.vocab_size
        return self.puzzle_emb_ndim

    @property
    def total_len(self) -> int:
        """Number of positions in the states: prefix and tokens."""
        return self.prefix_len + self.seq_len

    @property
    def state_len(self) -> int:
        """Vectors in a state: the positions of all planes."""
        return self.planes * self.total_len

    @property
    def bootstraps(self) -> bool:
        """Whether training runs a second forward pass for the target of `q_continue`."""
        return self.halt_max_steps > 1 and self.halt_loss == "q_learning"

    @property
    def dtype(self) -> "mx.Dtype":
        """Dtype of activations."""
        import mlx.core as mx  # imported here because `--help` reads this module and must start fast

        return mx.bfloat16 if self.forward_dtype == "bfloat16" else mx.float32
