from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import mlx.core as mx
from hrm_model import HRM, Batch, Carry, ReasoningModule, initial_carry, least_steps, slots
from hrm_ops import lanes
from mlx.optimizers import clip_grad_norm
from mlx.utils import tree_map, tree_unflatten

from hrm_train._choices import Checkpointing, Halting, LossType
from hrm_train.ranks._ranks import Ranks
from hrm_train.step._dense_update import DenseUpdate, all_finite, choose, flat, start_in_order
from hrm_train.step._gradients import Metrics, Tree, loss_and_gradients
from hrm_train.step._optimizers import AdamAtan2, SparseSignSGD, counted


class TrainStep:
    """One compiled ACT training step: fill slots, forward, loss, gradients, both optimisers, new carry, metrics.

    A step starts its own evaluation and returns: the host runs ahead of the device by one step. The slots are
    spread over ranks, micro-batches and the ``hrm_ops.lanes`` of the device; each has its own, and however many
    there are, a step is the same but for rounding.

    The puzzle table is written in place, whatever its size, unless somebody holds another reference to its array:
    then MLX copies it first.

    A step whose loss, gradients or new states are not finite changes no parameter and no optimiser: its examples
    are dropped, every slot takes a new one, and it is counted in :attr:`skipped`.

    Args:
        model: The model; its parameters are updated in place.
        optimizer: For everything but the puzzle table; initialised here.
        puzzle_optimizer: For the rows of the puzzle table that a batch uses.
        batch_size: Number of slots, of all ranks together.
        loss_type: See ``cross_entropy``.
        micro_batch_size: Slots that a rank computes at once, 0 for all that it has; gradients are accumulated.
        halting: ``fixed`` lets every slot take ``halt_max_steps`` steps.
        clip_norm: Largest global norm of the dense gradients; 0 does not clip (Pascanu et al., arXiv 1211.5063).
        activation_checkpointing: ``blocks`` keeps only the input of each block for the gradient and computes the
            rest again: less memory, more time (Chen et al., arXiv 1604.06174).
        ema_decay: Decay of the running average of the dense weights; 0 keeps none.
        ranks: The processes that train together.

    Attributes:
        carry: State of this rank's slots.
        average: Exponential moving average of the trainable parameters, empty without ``ema_decay``.
        metrics: Sums of the metrics over the slots of all ranks since :meth:`reset_metrics`, float32.
        skipped: Since :meth:`reset_metrics`, how many steps were skipped (``count``) and how many were taken from
            the first of them on (``since``), int32 scalars.
        overwritten: Takes the identifiers ``[B]`` and rows ``[B, E]`` of the puzzle table that each step replaces,
            while somebody copies the table; None otherwise.
    """

    def __init__(
        self,
        model: HRM,
        optimizer: AdamAtan2,
        puzzle_optimizer: SparseSignSGD,
        batch_size: int,
        loss_type: LossType,
        *,
        micro_batch_size: int = 0,
        halting: Halting = "learned",
        activation_checkpointing: Checkpointing = "none",
        clip_norm: float = 0.0,
        ema_decay: float = 0.0,
        ranks: Ranks | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.puzzle_optimizer = puzzle_optimizer
        self.loss_type = loss_type
        self.halting, self.clip_norm, self.ema_decay = halting, clip_norm, ema_decay
        self.ranks = ranks or Ranks()
        for module in model.modules():
            if isinstance(module, ReasoningModule):
                module.checkpoints_activations = activation_checkpointing == "blocks"
        self._share = self.ranks.share(batch_size)
        self._slots = batch_size
        local = self._share.stop - self._share.start
        self._micro_batch_size = micro_batch_size or local
        self.carry: Carry = initial_carry(model.config, local)
        self.average: Tree = tree_map(mx.array, model.trainable_parameters()) if ema_decay else {}
        self.metrics: Metrics = {}
        self.skipped: Metrics = {}
        self.overwritten: list[tuple[mx.array, mx.array]] | None = None
        self.reset_metrics()
        optimizer.init(model.trainable_parameters())
        self._lanes = lanes(self._micro_batch_size)
        # Each lane has its own compiled function: one for all would share constants between streams, and a
        # kernel is not fused across streams.
        self._forward = [self._compile_forward() for _ in self._lanes]
        self._dense = DenseUpdate(model, optimizer, self._lanes, ema_decay)
        self._settle = self._compile_settle()

    @property
    def state(self) -> Tree:
        """Everything that one step changes, as a tree of arrays, with the slots of this rank.

        With ``ema_decay`` the weights of ``model`` are their averages, and ``trained`` holds those that are trained.
        """
        state = {
            "model": self.model.parameters(),
            "optimizer": self.optimizer.state,
            "puzzle_optimizer": self.puzzle_optimizer.state,
            "carry": self.carry,
            "metrics": self.metrics,
            "skipped": self.skipped,
            "random": self._random_key(),
        }
        if self.average:
            state |= {"model": _overlaid(state["model"], self.average), "trained": self.model.trainable_parameters()}
        return state

    def whole_state(self) -> Tree:
        """Return :attr:`state` with the slots of all ranks; every rank has to ask for it."""
        mx.eval(self.state)  # so that the graphs of all ranks are alike
        carry = self.ranks.gather(self.carry)
        mx.eval(carry)
        return {**self.state, "carry": carry}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model the averages of its weights inside the block, where there are any."""
        trained = self.model.trainable_parameters()
        if self.average:
            self.model.update(self.average)
        try:
            yield
        finally:
            self.model.update(trained)

    @staticmethod
    def _random_key() -> mx.array:
        state: Any = mx.random.state
        return cast(mx.array, state[0])

    def load_state(self, state: Tree) -> None:
        """Go on from a tree of the form of :meth:`whole_state`; on every rank, and with what rank 0 gives."""
        state = self.ranks.from_lead(state)
        self.model.update(state["model"])
        if self.average:
            self.average = tree_map(mx.array, self.model.trainable_parameters())
            self.model.update(state["trained"])
        self.optimizer.state = state["optimizer"]
        self.puzzle_optimizer.state = state["puzzle_optimizer"]
        self.carry = slots(state["carry"], self._share)
        self.metrics = state["metrics"]
        self.skipped = state["skipped"]
        high, low = state["random"].tolist()  # a key is the two halves of the seed that gives it
        mx.random.seed(high << 32 | low)
        self._settle = self._compile_settle()

    @property
    def lane_slots(self) -> int:
        """How many slots are spread over the lanes at once."""
        return self._micro_batch_size

    def reset_metrics(self) -> None:
        """Set all sums to zero."""
        names = [
            "count",
            "accuracy",
            "exact_accuracy",
            "q_halt_accuracy",
            "steps",
            "lm_loss",
            "q_halt_loss",
            "loss",
        ]
        if self.model.config.bootstraps:
            names.append("q_continue_loss")
        self.metrics = {name: mx.zeros(()) for name in names}
        self.metrics["halting_steps"] = mx.zeros((self.model.config.halt_max_steps,))
        self.skipped = {name: mx.array(0) for name in ("count", "since")}

    def __call__(self, batch: Batch, max_steps: int | None = None) -> None:
        """Take one step.

        Args:
            batch: Examples ``[B, L]`` for the slots that have halted.
            max_steps: Steps after which a slot halts, in place of ``halt_max_steps`` and at most that.
        """
        limit = mx.array(max_steps or self.model.config.halt_max_steps)  # an array, so that it is not compiled in
        identifiers, rows = self._look_up(batch)
        own_rows = None if rows is None else rows[self._share]
        least = self._least_steps()
        carries: list[Carry] = []
        metrics: list[Metrics] = []
        gradients: list[Tree] = []
        row_gradients: list[mx.array | None] = []
        for start in range(0, self.carry["steps"].size, self._micro_batch_size):
            more_carries, more_metrics, more, more_rows = self._run_lanes(start, batch, limit, own_rows, least)
            carries += more_carries
            metrics += more_metrics
            row_gradients += more_rows
            gradients = [_add(*pair) for pair in zip(gradients, more, strict=True)] if gradients else more
            if start:
                mx.async_eval(gradients)  # so that only one micro-batch is in memory
        if len(self._lanes) > 1:
            start_in_order(gradients)
        gradient, finite = self._dense.merge(gradients, len(carries))
        del gradients, more  # what is held here is not freed while the update is computed
        good, self.carry, self.metrics, self.skipped, new_rows = self._settle(
            carries, [self.metrics, *metrics], self.skipped, finite, identifiers, rows, row_gradients
        )
        gradient = flat(self.ranks.average(gradient))
        if self.clip_norm:
            gradient, _ = clip_grad_norm(gradient, self.clip_norm)
        count, old_count = counted(self.optimizer), dict(self.optimizer.state)
        average = flat(self.average)
        self._dense.apply(good, count, average, gradient)
        self.average = cast(Tree, tree_unflatten(list(average.items()))) if average else {}
        self.optimizer.state.update(choose(good, count, {name: old_count[name] for name in count}))
        mx.async_eval(self.state, new_rows)
        if rows is not None:
            # MLX writes into the table itself only when nothing else reads it. The lookup is the first thing that a
            # step does, so on one lane this waits for the step before at most, and the device still has this one to do.
            # On several, what is evaluated first is waited for with all that was started with it: the whole step.
            mx.eval(rows if len(self._lanes) == 1 else new_rows)
            if self.overwritten is not None:
                self.overwritten.append((identifiers, rows))
            self.model.puzzle_emb.weight[identifiers] = new_rows
            mx.async_eval(self.model.puzzle_emb.weight)

    def _run_lanes(
        self, start: int, batch: Batch, limit: mx.array, rows: mx.array | None, least: mx.array | None
    ) -> list[list[Any]]:
        """Return what each lane gives for its slots of the micro-batch that begins at ``start``, by kind."""
        size = self._micro_batch_size // len(self._lanes)
        results = []
        for i, (stream, forward) in enumerate(zip(self._lanes, self._forward, strict=True)):
            part = slice(start + i * size, start + (i + 1) * size)
            with mx.stream(stream):
                own = [None if array is None else array[part] for array in (rows, least)]
                results.append(forward(slots(self.carry, part), slots(batch, part), limit, *own))
        return [list(kind) for kind in zip(*results, strict=True)]

    def _look_up(self, batch: Batch) -> tuple[mx.array, mx.array | None]:
        """Return the puzzle identifiers of all ranks' slots as they will be filled, and their rows of the table."""
        identifiers = mx.where(self.carry["halted"], batch["puzzle_identifiers"], self.carry["puzzle_identifiers"])
        if self.ranks.size > 1:
            # When a rank dies, what comes from it is undefined until MLX raises an error: never look outside the table.
            identifiers = mx.clip(self.ranks.gather(identifiers), 0, self.model.config.num_puzzle_identifiers - 1)
        return identifiers, self.model.puzzle_rows(identifiers)

    def _least_steps(self) -> mx.array | None:
        """Return how many steps each slot must take; drawn for all ranks at once, so that a slot's share is its own."""
        config = self.model.config
        if self.halting == "fixed":
            return mx.full(self.carry["steps"].shape, config.halt_max_steps)
        if config.halt_max_steps == 1 or config.halt_exploration_prob == 0:
            return None
        return least_steps(config, self._slots)[self._share]

    def _compile_forward(self) -> Any:
        @partial(mx.compile, inputs=[self.model.state])
        def forward(
            carry: Carry, batch: Batch, limit: mx.array, rows: mx.array | None, least: mx.array | None
        ) -> tuple[Carry, Metrics, Tree, mx.array | None]:
            carry, _, metrics, gradients, row_gradients = loss_and_gradients(
                self.model, carry, batch, self.loss_type, limit, rows, least
            )
            return carry, metrics, gradients, row_gradients

        return forward

    def _compile_settle(self) -> Any:
        changed = [self.puzzle_optimizer.state]

        @partial(mx.compile, inputs=changed, outputs=changed)
        def settle(
            carries: Sequence[Carry],
            metrics: Sequence[Metrics],
            skipped: Metrics,
            finite: Sequence[mx.array],
            identifiers: mx.array,
            rows: mx.array | None,
            row_gradients: Sequence[mx.array | None],
        ) -> tuple[mx.array, Carry, Metrics, Metrics, mx.array | None]:
            parts = len(carries)
            carry = tree_map(lambda *parts: mx.concatenate(list(parts)), *carries)
            row_gradient = [part / (parts * self.ranks.size) for part in row_gradients if part is not None]
            row_gradient = [self.ranks.gather(mx.concatenate(row_gradient))] if row_gradient else []
            before, total = metrics[0], tree_map(lambda *parts: sum(parts), *metrics[1:])
            diverged = ~(all_finite([carry["z_H"], carry["z_L"]]) & mx.stack(list(finite)).all())
            total, diverged = self.ranks.sum([total, diverged.astype(mx.float32)])
            good = all_finite([total["loss"], row_gradient]) & (diverged == 0)
            if rows is not None:
                old = dict(self.puzzle_optimizer.state)
                rows = mx.where(good, self.puzzle_optimizer.apply_rows(rows, identifiers, *row_gradient), rows)
                self.puzzle_optimizer.state.update(choose(good, self.puzzle_optimizer.state, old))

            fresh = {**carry, "halted": mx.ones_like(carry["halted"])}
            fresh |= {name: mx.zeros_like(carry[name]) for name in ("z_H", "z_L")}
            metrics_now = choose(good, tree_map(mx.add, before, total), before)
            now_skipped = {
                "count": skipped["count"] + ~good,
                "since": skipped["since"] + ((skipped["since"] > 0) | ~good),
            }
            return good, choose(good, carry, fresh), metrics_now, now_skipped, rows

        return settle


def _overlaid(tree: Tree, other: Tree) -> Tree:
    """Return a tree with the leaves that another one has taken from there."""
    return cast(Tree, tree_unflatten(list((flat(tree) | flat(other)).items())))


def _add(one: Tree, other: Tree) -> Tree:
    return cast(Tree, tree_map(mx.add, one, other))
