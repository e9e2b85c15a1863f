from functools import partial
from typing import Any, cast

import mlx.core as mx
from hrm_model import HRM, ACTOutput, Batch, Carry, act_step, fill_halted_slots, initial_carry, slots
from hrm_ops import lanes
from mlx.utils import tree_flatten, tree_map

from hrm_train._losses import LossType, act_loss
from hrm_train._optimizers import AdamAtan2, SparseSignSGD

Metrics = dict[str, mx.array]
Tree = dict[str, Any]


def loss_and_gradients(
    model: HRM,
    carry: Carry,
    batch: Batch,
    loss_type: LossType,
    max_steps: mx.array | int | None = None,
    rows: mx.array | None = None,
) -> tuple[Carry, ACTOutput, Metrics, Tree, mx.array | None]:
    """Run one ACT training step up to the gradients of ``loss / batch_size``.

    Args:
        model: The model.
        carry: Slots of the step before.
        batch: Examples for the slots that halted.
        loss_type: See ``cross_entropy``.
        max_steps: Steps after which a slot halts, in place of ``halt_max_steps`` and at most that.
        rows: Puzzle rows ``[B, E]`` of the filled slots; looked up when left out.

    Returns:
        The new carry, the outputs, the metrics of ``act_loss`` with the summed ``loss`` added, the tree of
        dense gradients, and the gradient at each slot's puzzle row ``[B, E]`` (None without a prefix).
    """
    carry = fill_halted_slots(model, carry, batch)
    parameters = model.trainable_parameters()
    trained: dict[str, Any] = {"dense": parameters}
    if rows is None:
        rows = model.puzzle_rows(carry["puzzle_identifiers"])
    if rows is not None:
        trained["rows"] = rows

    def loss_fn(trained: Tree) -> tuple[mx.array, Any]:
        model.update(trained["dense"])
        new_carry, output = act_step(model, carry, trained.get("rows"), True, max_steps)
        loss, metrics = act_loss(output, new_carry["labels"], new_carry["steps"], new_carry["halted"], loss_type)
        return loss / carry["steps"].size, (new_carry, output, {**metrics, "loss": loss})

    (_, (new_carry, output, metrics)), gradients = mx.value_and_grad(loss_fn)(trained)
    model.update(parameters)
    return new_carry, output, metrics, gradients["dense"], gradients.get("rows")


class TrainStep:
    """One compiled ACT training step: fill slots, forward, loss, gradients, both optimisers, new carry, metrics.

    A step starts its own evaluation and returns: the host runs ahead of the device by one step. The batch is
    spread over the ``hrm_ops.lanes`` of the device, each with its own slots; a step is the same as with one lane
    but for rounding and for the order of random numbers.

    The puzzle table is written in place, whatever its size, unless somebody holds another reference to its array:
    then MLX copies it first.

    A step whose loss, gradients or new states are not finite changes no parameter and no optimiser: its examples
    are dropped, every slot takes a new one, and it is counted in :attr:`skipped`.

    Args:
        model: The model; its parameters are updated in place.
        optimizer: For everything but the puzzle table; initialised here.
        puzzle_optimizer: For the rows of the puzzle table that a batch uses.
        batch_size: Number of slots.
        loss_type: See ``cross_entropy``.

    Attributes:
        carry: State of all slots.
        metrics: Sums of the metrics since :meth:`reset_metrics`, float32 scalars.
        skipped: Since :meth:`reset_metrics`, how many steps were skipped (``count``) and how many were taken from
            the first of them on (``since``), int32 scalars.
    """

    def __init__(
        self,
        model: HRM,
        optimizer: AdamAtan2,
        puzzle_optimizer: SparseSignSGD,
        batch_size: int,
        loss_type: LossType,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.puzzle_optimizer = puzzle_optimizer
        self.loss_type = loss_type
        self.carry: Carry = initial_carry(model.config, batch_size)
        self.metrics: Metrics = {}
        self.skipped: Metrics = {}
        self.reset_metrics()
        optimizer.init(model.trainable_parameters())
        self._lanes = lanes(batch_size)
        # Each lane has its own compiled function: one for all would share constants between streams, and a
        # kernel is not fused across streams.
        self._forward = [self._compile_forward() for _ in self._lanes]
        self._update = self._compile_update()

    @property
    def state(self) -> Tree:
        """Everything that one step changes, as a tree of arrays."""
        return {
            "model": self.model.parameters(),
            "optimizer": self.optimizer.state,
            "puzzle_optimizer": self.puzzle_optimizer.state,
            "carry": self.carry,
            "metrics": self.metrics,
            "skipped": self.skipped,
            "random": self._random_key(),
        }

    @staticmethod
    def _random_key() -> mx.array:
        state: Any = mx.random.state
        return cast(mx.array, state[0])

    def load_state(self, state: Tree) -> None:
        """Go on from a tree of the form of :attr:`state`."""
        self.model.update(state["model"])
        self.optimizer.state = state["optimizer"]
        self.puzzle_optimizer.state = state["puzzle_optimizer"]
        self.carry = state["carry"]
        self.metrics = state["metrics"]
        self.skipped = state["skipped"]
        high, low = state["random"].tolist()  # a key is the two halves of the seed that gives it
        mx.random.seed(high << 32 | low)
        self._update = self._compile_update()

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
        self.skipped = {name: mx.array(0) for name in ("count", "since")}

    def __call__(self, batch: Batch, max_steps: int | None = None) -> None:
        """Take one step.

        Args:
            batch: Examples ``[B, L]`` for the slots that have halted.
            max_steps: Steps after which a slot halts, in place of ``halt_max_steps`` and at most that.
        """
        limit = mx.array(max_steps or self.model.config.halt_max_steps)  # an array, so that it is not compiled in
        identifiers, rows = self._look_up(batch)
        size = self.carry["steps"].size // len(self._lanes)
        results = []
        for i, (stream, forward) in enumerate(zip(self._lanes, self._forward, strict=True)):
            part = slice(i * size, (i + 1) * size)
            with mx.stream(stream):
                lane_rows = None if rows is None else rows[part]
                results.append(forward(slots(self.carry, part), slots(batch, part), limit, lane_rows))
        carries, metrics, gradients, row_gradients = zip(*results, strict=True)
        self.carry, self.metrics, self.skipped, new_rows = self._update(
            carries, [self.metrics, *metrics], self.skipped, gradients, identifiers, rows, row_gradients
        )
        mx.async_eval(self.state, new_rows)
        if rows is not None:
            # MLX writes into the table itself only when nothing else reads it. The lookup is the first thing that a
            # step does, so this waits for the step before at most, and the device still has this one to do.
            mx.eval(rows)
            self.model.puzzle_emb.weight[identifiers] = new_rows
            mx.async_eval(self.model.puzzle_emb.weight)

    def _look_up(self, batch: Batch) -> tuple[mx.array, mx.array | None]:
        """Return the puzzle identifiers of the slots as they will be filled, and their rows of the table."""
        identifiers = mx.where(self.carry["halted"], batch["puzzle_identifiers"], self.carry["puzzle_identifiers"])
        return identifiers, self.model.puzzle_rows(identifiers)

    def _compile_forward(self) -> Any:
        @partial(mx.compile, inputs=[self.model.state, mx.random.state], outputs=[mx.random.state])
        def forward(
            carry: Carry, batch: Batch, limit: mx.array, rows: mx.array | None
        ) -> tuple[Carry, Metrics, Tree, mx.array | None]:
            carry, _, metrics, gradients, row_gradients = loss_and_gradients(
                self.model, carry, batch, self.loss_type, limit, rows
            )
            return carry, metrics, gradients, row_gradients

        return forward

    def _compile_update(self) -> Any:
        changed = [self.model.state, self.optimizer.state, self.puzzle_optimizer.state]

        @partial(mx.compile, inputs=changed, outputs=changed)
        def update(
            carries: tuple[Carry, ...],
            metrics: list[Metrics],
            skipped: Metrics,
            gradients: tuple[Tree, ...],
            identifiers: mx.array,
            rows: mx.array | None,
            row_gradients: tuple[mx.array | None, ...],
        ) -> tuple[Carry, Metrics, Metrics, mx.array | None]:
            carry = tree_map(lambda *parts: mx.concatenate(list(parts)), *carries)
            gradient = tree_map(lambda *parts: sum(parts) / len(parts), *gradients)
            before, total = metrics[0], tree_map(lambda *parts: sum(parts), *metrics[1:])
            row_gradient = [part / len(row_gradients) for part in row_gradients if part is not None]
            good = _all_finite([total["loss"], gradient, row_gradient, carry["z_H"], carry["z_L"]])

            old = self.model.trainable_parameters(), self.optimizer.state, self.puzzle_optimizer.state
            old = tree_map(lambda array: array, old)
            self.optimizer.update(self.model, gradient)
            if rows is not None:
                new_rows = self.puzzle_optimizer.apply_rows(rows, identifiers, mx.concatenate(row_gradient))
                rows = mx.where(good, new_rows, rows)
            self.model.update(_choose(good, self.model.trainable_parameters(), old[0]))
            self.optimizer.state.update(_choose(good, self.optimizer.state, old[1]))
            self.puzzle_optimizer.state.update(_choose(good, self.puzzle_optimizer.state, old[2]))

            fresh = {**carry, "halted": mx.ones_like(carry["halted"])}
            fresh |= {name: mx.zeros_like(carry[name]) for name in ("z_H", "z_L")}
            metrics_now = _choose(good, tree_map(mx.add, before, total), before)
            now_skipped = {
                "count": skipped["count"] + ~good,
                "since": skipped["since"] + ((skipped["since"] > 0) | ~good),
            }
            return _choose(good, carry, fresh), metrics_now, now_skipped, rows

        return update


def _all_finite(tree: Any) -> mx.array:
    """Whether every number of a tree of arrays is finite and has a finite square, as Adam's second moment takes it."""
    arrays = [array for _, array in tree_flatten(tree) if isinstance(array, mx.array)]
    return mx.stack([mx.isfinite(mx.square(array)).all() for array in arrays]).all()


def _choose(condition: mx.array, yes: Any, no: Any) -> Any:
    return tree_map(lambda a, b: mx.where(condition, a, b), yes, no)
