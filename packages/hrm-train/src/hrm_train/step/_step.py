"""One training step: a pass over the lanes, the update of weights and puzzle rows, the new carry and metrics."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import mlx.core as mx
from hrm_model import HRM, Batch, Carry, ReasoningModule, initial_carry, least_steps, slots
from mlx.utils import tree_map, tree_unflatten

from hrm_train._config import TrainConfig
from hrm_train.ranks._ranks import Ranks
from hrm_train.step._dense_update import DenseUpdate
from hrm_train.step._lane_pass import LanePass
from hrm_train.step._losses import LossFunction, act_loss
from hrm_train.step._optimizers import AdamAtan2, SparseSignSGD
from hrm_train.step._puzzle_table import PuzzleTable
from hrm_train.step._schedule import cosine_with_warmup
from hrm_train.step._sums import Sums, means_of, zero_sums
from hrm_train.step._trees import Tree, all_finite, choose, flat


class TrainStep:
    """One compiled ACT training step: fill slots, forward, loss, gradients, both optimisers, new carry, metrics.

    A call starts its own evaluation and returns, so the host runs one step before the device. The slots are divided
    among ranks, micro-batches and the lanes of the device (`hrm_ops.lanes`); how many there are changes nothing but
    rounding.

    A step is skipped when its loss, gradients or new states are not finite. It then changes no parameter and no
    optimiser state, every slot takes a new example, and `skipped` counts it.

    Args:
        model: The model; its parameters are updated in place.
        optimizer: For everything but the puzzle table; initialised here.
        puzzle_optimizer: For the rows of the puzzle table.
        config: Fixes `global_batch_size`, `micro_batch_size`, `loss_type`, `halting`, `clip_norm`, `ema_decay` and
            `activation_checkpointing` of the step. Learning rates and decays are those of the optimisers.
        ranks: The processes that train together; defaults to this one alone.
        loss: What is minimised; defaults to `act_loss` with the configuration's `loss_type`.

    Attributes:
        carry: State of this rank's slots.
        skipped: Since `reset_metrics`, how many steps were skipped (`count`), and how many were taken from
            the first skipped one on (`since`), int32 scalars.
        table: The puzzle table, written in place.

    Raises:
        HRMTrainError: If the slots cannot be divided among ranks and micro-batches, or the loss function does not fit.
    """

    def __init__(
        self,
        model: HRM,
        optimizer: AdamAtan2,
        puzzle_optimizer: SparseSignSGD,
        config: TrainConfig,
        ranks: Ranks | None = None,
        loss: LossFunction | None = None,
    ) -> None:
        self.model, self.optimizer, self.puzzle_optimizer = model, optimizer, puzzle_optimizer
        self.config, self.ranks = config, ranks or Ranks()
        for module in model.modules():
            if isinstance(module, ReasoningModule):
                module.checkpoints_activations = config.activation_checkpointing == "blocks"
        own_slots = config.slots_per_rank(self.ranks.size)
        self.carry: Carry = initial_carry(model.config, own_slots)
        loss = loss or partial(act_loss, loss_type=config.loss_type)
        self._zeros = zero_sums(model.config, loss)
        self._sums: Sums = {}
        self._taken = 0  # steps since the sums were zero, skipped ones included
        self.skipped: Sums = {}
        self.reset_metrics()
        self._share = self.ranks.share(config.global_batch_size)
        self._lane_pass = LanePass(model, loss, config.micro_batch_size or own_slots)
        streams = self._lane_pass.streams
        self.table = PuzzleTable(model, puzzle_optimizer, self.ranks, len(streams))
        self._dense = DenseUpdate(
            model, optimizer, streams, clip_norm=config.clip_norm, ema_decay=config.ema_decay, ranks=self.ranks
        )
        changed = [puzzle_optimizer.state]
        self._settle: Callable[..., Any] = partial(mx.compile, inputs=changed, outputs=changed)(self._settled)

    def __call__(self, batch: Batch, max_steps: int | None = None) -> None:
        """Take one step.

        Args:
            batch: Examples `[B, L]` for the slots that have halted.
            max_steps: Steps after which a slot halts; defaults to `halt_max_steps`, and is at most that.
        """
        limit = mx.array(max_steps or self.model.config.halt_max_steps)  # an array, so that it is not compiled in
        identifiers, rows = self.table.look_up(self.carry, batch)
        own_rows = None if rows is None else rows[self._share]
        results = self._lane_pass(self.carry, batch, limit, own_rows, self._least_steps())
        finite = self._dense.collect(results.gradients, len(results.carries))
        good, self.carry, self._sums, self.skipped, new_rows = self._settle(
            results.carries,
            [self._sums, *results.sums],
            self.skipped,
            finite,
            identifiers,
            rows,
            results.row_gradients,
        )
        self._taken += 1
        self._dense.apply(good)
        mx.async_eval(self.state, new_rows)
        if rows is not None:
            self.table.write(identifiers, rows, new_rows)

    @property
    def average(self) -> Tree:
        """Exponential moving average of the trainable parameters; empty without `ema_decay`."""
        return cast(Tree, tree_unflatten(list(self._dense.average.items()))) if self._dense.average else {}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model its averaged weights inside the block, if averages are kept."""
        trained = self.model.trainable_parameters()
        if average := self.average:
            self.model.update(average)
        try:
            yield
        finally:
            self.model.update(trained)

    @property
    def lane_slots(self) -> int:
        """How many slots are divided among the lanes at once."""
        return self._lane_pass.size

    @property
    def metrics(self) -> dict[str, Any]:
        """Means since `reset_metrics`, read back from the device; a mean over nothing is 0.

        - over the slots of all ranks in all steps that were not skipped: `loss` and the terms of the loss function;
        - over the `count` slots that halted and have a label: `accuracy`, `exact_accuracy`, `q_halt_accuracy`, `steps`.

        `halting_steps` says how many of the latter took 1, 2, ... steps.
        """
        skipped: Any = self.skipped["count"].item()
        return means_of(self._sums, (self._taken - skipped) * self.config.global_batch_size)

    def reset_metrics(self) -> None:
        """Start all means and counts anew."""
        self._sums, self._taken = dict(self._zeros), 0
        self.skipped = {name: mx.array(0) for name in ("count", "since")}

    @property
    def state(self) -> Tree:
        """Everything that one step changes, as a tree of arrays, with the slots of this rank.

        With `ema_decay`, `model` holds the averaged weights and `trained` the trained ones.
        """
        state = {
            "model": self.model.parameters(),
            "optimizer": self.optimizer.state,
            "puzzle_optimizer": self.puzzle_optimizer.state,
            "carry": self.carry,
            "metrics": self._sums,
            "taken": mx.array(self._taken),
            "skipped": self.skipped,
            "random": cast(Any, mx.random.state)[0],
        }
        if average := self._dense.average:
            weights = flat(self.model.parameters()) | average
            state |= {"model": tree_unflatten(list(weights.items())), "trained": self.model.trainable_parameters()}
        return state

    def whole_state(self) -> Tree:
        """Return `state` with the slots of all ranks; every rank must call it."""
        mx.eval(self.state)  # makes the graphs of all ranks alike
        carry = self.ranks.gather(self.carry)
        mx.eval(carry)
        return {**self.state, "carry": carry}

    def load_state(self, state: Tree) -> None:
        """Continue from a tree like that of `whole_state`; every rank must call it, and gets rank 0's tree."""
        state = self.ranks.from_lead(state)
        self.model.update(state["model"])
        if self._dense.average:
            self._dense.restart_average()
            self.model.update(state["trained"])
        self.optimizer.state = state["optimizer"]
        self.puzzle_optimizer.state.update(state["puzzle_optimizer"])  # compiled functions refer to this dictionary
        self.carry = slots(state["carry"], self._share)
        self._sums, self._taken = state["metrics"], state["taken"].item()
        self.skipped = state["skipped"]
        high, low = state["random"].tolist()  # a key is the two halves of its seed
        mx.random.seed(high << 32 | low)

    def _least_steps(self) -> mx.array | None:
        """Return how many steps each slot must take; drawn for all ranks at once, so that ranks change nothing."""
        config = self.model.config
        if self.config.halting == "fixed":
            return mx.full(self.carry["steps"].shape, config.halt_max_steps)
        if config.halt_max_steps == 1 or config.halt_exploration_prob == 0:
            return None
        return least_steps(config, self.config.global_batch_size)[self._share]

    def _settled(
        self,
        carries: Sequence[Carry],
        sums: Sequence[Sums],
        skipped: Sums,
        finite: Sequence[mx.array],
        identifiers: mx.array,
        rows: mx.array | None,
        row_gradients: Sequence[mx.array | None],
    ) -> tuple[mx.array, Carry, Sums, Sums, mx.array | None]:
        """Decide whether the step is good, and join the parts into the new carry, sums, counts and puzzle rows."""
        carry = tree_map(lambda *parts: mx.concatenate(list(parts)), *carries)
        row_gradient = self.table.gradient(row_gradients)
        before, total = sums[0], tree_map(lambda *parts: sum(parts), *sums[1:])
        diverged = ~(all_finite([carry["z_H"], carry["z_L"]]) & mx.stack(list(finite)).all())
        total, diverged = self.ranks.sum([total, diverged.astype(mx.float32)])
        good = all_finite([total["loss"], row_gradient]) & (diverged == 0)
        if rows is not None and row_gradient is not None:
            rows = self.table.updated(good, identifiers, rows, row_gradient)

        fresh = {**carry, "halted": mx.ones_like(carry["halted"])}
        fresh |= {name: mx.zeros_like(carry[name]) for name in ("z_H", "z_L")}
        new_sums = choose(good, tree_map(mx.add, before, total), before)
        new_skipped = {
            "count": skipped["count"] + ~good,
            "since": skipped["since"] + ((skipped["since"] > 0) | ~good),
        }
        return good, choose(good, carry, fresh), new_sums, new_skipped, rows


def make_train_step(
    model: HRM, config: TrainConfig, ranks: Ranks | None = None, loss: LossFunction | None = None
) -> TrainStep:
    """Return a step with the optimisers and learning rate schedules of a configuration; see `TrainStep` for `loss`."""

    def schedule(peak: float) -> Callable[[mx.array], mx.array]:
        return cosine_with_warmup(peak, config.lr_warmup_steps, config.steps, config.lr_min_ratio)

    optimizer = AdamAtan2(schedule(config.lr), (config.beta1, config.beta2), config.weight_decay)
    puzzle_optimizer = SparseSignSGD(schedule(config.puzzle_emb_lr), config.puzzle_emb_weight_decay)
    return TrainStep(model, optimizer, puzzle_optimizer, config, ranks, loss)
