"""The model: two recurrent modules, their step with the 1-step gradient, embeddings and heads."""

import math
from typing import Any, NamedTuple

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import Embedding, Linear, check_process, grid_rope_tables, rope_tables, truncated_normal, without_gradient

from hrm_model._config import HRMConfig
from hrm_model._variants import Update
from hrm_model.blocks._choose import make_block
from hrm_model.blocks._planes import SymbolPlanes

Rope = tuple[mx.array, mx.array] | None


class HRMOutput(NamedTuple):
    """The outputs of one forward pass.

    Attributes:
        z_H: Slow state `[B, N, D]`, without gradient history.
        z_L: Fast state `[B, N, D]`, without gradient history.
        logits: Token logits `[B, L, V]` in the forward dtype.
        q_logits: `q_halt` and `q_continue`, `[B, 2]` float32.
    """

    z_H: mx.array
    z_L: mx.array
    logits: mx.array
    q_logits: mx.array


class ReasoningModule(nn.Module):
    """A stack of blocks, applied to the sum of a state and an injection.

    Source: arXiv 2506.21734, section 2: both modules are encoder-only transformers of the same form, and
    their inputs are added.

    Attributes:
        checkpoints_activations: Whether the backward pass keeps only the input of each block and recomputes the
            rest: less memory, more time.
    """

    def __init__(self, config: HRMConfig, num_layers: int) -> None:
        super().__init__()
        self.layers = [make_block(config) for _ in range(num_layers)]
        self.checkpoints_activations = False

    def __call__(self, state: mx.array, injection: mx.array, rope: Rope, first: int | None = None) -> mx.array:
        """Refine a state.

        Args:
            state: `[B, N, D]`.
            injection: `[B, N, D]`.
            rope: Rotary tables; None if positions are encoded in another way.
            first: Compute only the first positions of the last block; defaults to all.

        Returns:
            `[B, first, D]`.
        """
        x = state + injection
        for layer in self.layers[:-1]:
            x = self._run(layer, x, rope)
        return self._run(self.layers[-1], x, rope, first)

    def _run(self, layer: nn.Module, x: mx.array, rope: Rope, first: int | None = None) -> mx.array:
        if not self.checkpoints_activations:
            return layer(x, rope=rope, first=first)
        return nn.utils.checkpoint(layer, lambda x: layer(x, rope=rope, first=first))(x)


class HRM(nn.Module):
    """The Hierarchical Reasoning Model: a slow module H and a fast module L that refine two states.

    Source: arXiv 2506.21734, section 2, with the 1-step gradient approximation. `config.variant` selects a relative:
    `trm`, the Tiny Recursive Model with one network of `L_layers` blocks, or `transformer`, a flat one of `H_layers`
    blocks. `config.plan` says what each computes.

    With `config.symbol_equivariant` a state has one vector for each position and symbol (arXiv 2603.02193). A state has
    `N = config.state_len` vectors.

    The puzzle embedding table is a parameter, but it is not trainable: a sparse optimiser updates its rows
    separately. `H_init` and `L_init` are fixed.

    Args:
        config: The architecture.

    Attributes:
        task: What the puzzles are, the text of a dataset's `task.json`, for weight files; None if unknown.
    """

    def __init__(self, config: HRMConfig) -> None:
        check_process()
        super().__init__()
        self.config = config
        self.quantization: Any = None  # set by quantize()
        self.task: str | None = None
        D = config.hidden_size
        std = 1 / math.sqrt(D)

        def table(rows: int) -> Embedding:
            return Embedding(rows, D, std=std, dtype=config.dtype)

        self._symbols = SymbolPlanes(config) if config.symbol_equivariant else None
        self.embed_tokens = table(2 * self._symbols.classes if self._symbols else config.vocab_size)
        if self._symbols and self._symbols.num_kinds > 1:
            self.embed_planes = table(self._symbols.num_kinds)
        if config.pos_encodings == "learned":
            self.embed_pos = table(config.total_len)
        if config.pos_encodings == "grid" and config.geometry:
            kinds = config.geometry.groups_of(config.seq_len)
            self._groups = [mx.array(kind) for kind in kinds]
            self.embed_groups = [table(max(kind) + 1) for kind in kinds]
        if config.puzzle_emb_ndim:
            self.puzzle_emb = Embedding(config.num_puzzle_identifiers, config.puzzle_row_width, std=0.0)
            self.puzzle_emb.freeze()
        for name, layers in config.plan.networks.items():
            self[name] = ReasoningModule(config, layers)
        self.lm_head = Linear(D, 1 if self._symbols else config.vocab_size, bias=False)
        if config.halt_loss != "none":
            self.q_head = Linear(D, 2)
            self.q_head.weight = mx.zeros((2, D))
            self.q_head.bias = mx.full((2,), -5.0)
        self.H_init = truncated_normal((D,), std=1.0)
        self.L_init = truncated_normal((D,), std=1.0)
        self.freeze(recurse=False, keys=["H_init", "L_init"])

    def table_rows(self, puzzle_identifiers: mx.array) -> mx.array:
        """Return which rows of the puzzle table these identifiers read, `[B]` int; all 0 if the model blanks them."""
        is_blank = self.config.puzzle_identifiers == "blank"
        return mx.zeros_like(puzzle_identifiers) if is_blank else puzzle_identifiers

    def puzzle_rows(self, puzzle_identifiers: mx.array) -> mx.array | None:
        """Look up puzzle embeddings: `[B]` int -> `[B, E]` float32; None for a model without a prefix."""
        return self.puzzle_emb(self.table_rows(puzzle_identifiers)) if self.config.puzzle_emb_ndim else None

    def embed(self, inputs: mx.array, puzzle_rows: mx.array | None) -> mx.array:
        """Embed the tokens, put the puzzle prefix in front, and add positions.

        A model of boards has no prefix: it adds the puzzle embedding to every position.

        Args:
            inputs: Tokens `[B, L]` int.
            puzzle_rows: Puzzle embeddings `[B, E]`; None for a model without them.

        Returns:
            Input embedding `[B, N, D]` in the forward dtype.
        """
        config = self.config
        x = self.embed_tokens(self._symbols.marks(inputs) if self._symbols else inputs[:, None])  # [B, S, L, D]
        parts = [x]
        if "embed_planes" in self and self._symbols:
            parts.append(self.embed_planes(self._symbols.kinds)[:, None])
        if puzzle_rows is not None and config.on_board:
            parts.append(self._puzzle_vectors(puzzle_rows.astype(config.dtype)))
        elif puzzle_rows is not None:
            padding = config.prefix_len * config.hidden_size - config.puzzle_emb_ndim
            padded = mx.pad(puzzle_rows.astype(config.dtype), [(0, 0), (0, padding)])
            prefix = rearrange(padded, "b (p d) -> b 1 p d", p=config.prefix_len)
            parts = [mx.concatenate([prefix, x], axis=2)]
        scale = 1.0
        if config.pos_encodings == "learned":
            parts, scale = [*parts, self.embed_pos.weight.astype(x.dtype)], 0.707106781
        if config.pos_encodings == "grid":
            for embed, group in zip(self.embed_groups, self._groups, strict=True):
                parts.append(mx.pad(embed(group), [(config.prefix_len, 0), (0, 0)]))
        total = sum(parts[1:], parts[0])
        return math.sqrt(config.hidden_size) * rearrange(scale * total if scale != 1 else total, "b s l d -> b (s l) d")

    def _puzzle_vectors(self, rows: mx.array) -> mx.array:
        """Return what a puzzle embedding adds to each plane, `[B, E]` -> `[B, 1 or S, 1, D]`.

        With planes, each gets a number of its own beside the vector for all (arXiv 2603.02193, appendix).
        """
        vector = rearrange(rows[:, : self.config.hidden_size], "b d -> b 1 1 d")
        if self._symbols is None:
            return vector
        return vector + self._symbols.per_plane(rows[:, self.config.hidden_size :])[:, :, None, None]

    def rope(self) -> Rope:
        """Return the rotary tables of all positions; None if positions are encoded in another way."""
        config = self.config
        if config.mixer != "attention":
            return None
        head = config.hidden_size // config.num_heads
        if config.pos_encodings == "rope":
            return rope_tables(config.total_len, head, config.rope_theta)
        if config.pos_encodings == "rope2d" and config.geometry:
            at = mx.arange(config.seq_len)
            cos, sin = grid_rope_tables(
                at // config.geometry.columns, at % config.geometry.columns, head, config.rope_theta
            )
            prefix = [(config.prefix_len, 0), (0, 0)]  # is not rotated
            return mx.pad(cos, prefix, constant_values=1), mx.pad(sin, prefix)
        return None

    def reason(self, z_H: mx.array, z_L: mx.array, x: mx.array, first: int | None = None) -> tuple[mx.array, mx.array]:
        """Run one step: all updates of the variant's plan, of which only the last ones carry gradient.

        Args:
            z_H: Slow state `[B, N, D]`.
            z_L: Fast state `[B, N, D]`; a `transformer` leaves it alone.
            x: Input embedding `[B, N, D]`.
            first: Compute only the first positions of the new slow state; defaults to all.

        Returns:
            The new `(z_H, z_L)`.
        """
        plan, rope = self.config.plan, self.rope()
        states = {"z_H": z_H, "z_L": z_L, "x": x}

        def take(update: Update, first: int | None = None) -> None:
            added = [states[name] for name in update.added]
            network = getattr(self, update.network)
            states[update.state] = network(states[update.state], sum(added[1:], added[0]), rope, first)

        *updates, last = plan.updates
        with_gradient = len(updates) + 1 - plan.with_gradient
        with without_gradient():
            for update in updates[:with_gradient]:
                take(update)
        states |= {name: mx.stop_gradient(states[name]) for name in ("z_H", "z_L")}
        for update in updates[with_gradient:]:
            take(update)
        take(last, first)
        return states["z_H"], states["z_L"]

    def q_values(self, z_H: mx.array) -> mx.array:
        """Return `q_halt` and `q_continue`, `[B, 2]` float32, computed from position 0; of boards, from the mean.

        With `halt_loss` `bce`, `q_continue` is 0: then `q_halt > q_continue` when the probability of halting is
        above one half (the Tiny Recursive Model, arXiv 2510.04871).
        """
        z_H = z_H.astype(mx.float32)
        q = self.q_head(z_H.mean(axis=1) if self.config.on_board else z_H[:, 0])
        if self.config.halt_loss == "q_learning":
            return q
        return mx.concatenate([q[:, :1], mx.zeros_like(q[:, :1])], axis=1)

    def __call__(self, z_H: mx.array, z_L: mx.array, x: mx.array) -> HRMOutput:
        """Run one forward pass from two states `[B, N, D]` and the embedding that `embed` returns."""
        z_H, z_L = self.reason(z_H, z_L, x)
        logits = self.lm_head(z_H[:, self.config.prefix_len :])
        if self._symbols:
            logits = self._symbols.logits(logits)
        q_logits = _certainty(logits) if self.config.halt_loss == "none" else self.q_values(z_H)
        return HRMOutput(mx.stop_gradient(z_H), mx.stop_gradient(z_L), logits, q_logits)


def _certainty(logits: mx.array) -> mx.array:
    """Return as `q_halt` the log-odds that all tokens are right, and 0 as `q_continue`: `[B, L, V]` -> `[B, 2]`.

    The probability is the product of those of the most likely tokens. Like the smallest of them, which arXiv 2603.02193
    uses, it needs no loss; but many tokens may be a little uncertain, and the smallest then halts too early.
    """
    logits = mx.stop_gradient(logits).astype(mx.float32)
    log_p = (logits.max(axis=-1) - logits.logsumexp(axis=-1)).sum(axis=-1)
    log_p = mx.minimum(log_p, -1e-7)  # odds of a probability of 1 are infinite
    q_halt = log_p - mx.log(-mx.expm1(log_p))
    return mx.stack([q_halt, mx.zeros_like(q_halt)], axis=1)
