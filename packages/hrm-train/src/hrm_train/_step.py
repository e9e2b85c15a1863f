from functools import partial
from typing import Any, cast

import mlx.core as mx
from hrm_model import HRM, ACTOutput, Batch, Carry, act_step, fill_halted_slots, initial_carry, slots
from hrm_ops import lanes
from mlx.utils import tree_map

from hrm_train._losses import LossType, act_loss
from hrm_train._optimizers import AdamAtan2, SparseSignSGD

Metrics = dict[str, mx.array]
Tree = dict[str, Any]


def loss_and_gradients(
    model: HRM, carry: Carry, batch: Batch, loss_type: LossType, max_steps: mx.array | int | None = None
) -> tuple[Carry, ACTOutput, Metrics, Tree, mx.array | None]:
    """Run one ACT training step up to the gradients of ``loss / batch_size``.

    Args:
        model: The model.
        carry: Slots of the step before.
        batch: Examples for the slots that halted.
        loss_type: See ``cross_entropy``.
        max_steps: Steps after which a slot halts, in place of ``halt_max_steps`` and at most that.

    Returns:
        The new carry, the outputs, the metrics of ``act_loss`` with the summed ``loss`` added, the tree of
        dense gradients, and the gradient at each slot's puzzle row ``[B, E]`` (None without a prefix).
    """
    carry = fill_halted_slots(model, carry, batch)
    parameters = model.trainable_parameters()
    trained: dict[str, Any] = {"dense": parameters}
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

    Nothing is evaluated: the caller evaluates :attr:`state` when it likes. The batch is spread over the
    ``hrm_ops.lanes`` of the device, each with its own slots; a step is the same as with one lane but for
    rounding and for the order of random numbers.

    Args:
        model: The model; its parameters are updated in place.
        optimizer: For everything but the puzzle table; initialised here.
        puzzle_optimizer: For the rows of the puzzle table that a batch uses.
        batch_size: Number of slots.
        loss_type: See ``cross_entropy``.

    Attributes:
        carry: State of all slots.
        metrics: Sums of the metrics since :meth:`reset_metrics`, float32 scalars.
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

    def __call__(self, batch: Batch, max_steps: int | None = None) -> None:
        """Take one step.

        Args:
            batch: Examples ``[B, L]`` for the slots that have halted.
            max_steps: Steps after which a slot halts, in place of ``halt_max_steps`` and at most that.
        """
        limit = mx.array(max_steps or self.model.config.halt_max_steps)  # an array, so that it is not compiled in
        size = self.carry["steps"].size // len(self._lanes)
        results = []
        for i, (stream, forward) in enumerate(zip(self._lanes, self._forward, strict=True)):
            part = slice(i * size, (i + 1) * size)
            with mx.stream(stream):
                results.append(forward(slots(self.carry, part), slots(batch, part), limit))
        carries, metrics, gradients, rows = zip(*results, strict=True)
        self.carry, self.metrics = self._update(carries, [self.metrics, *metrics], gradients, rows)

    def _compile_forward(self) -> Any:
        @partial(mx.compile, inputs=[self.model.state, mx.random.state], outputs=[mx.random.state])
        def forward(carry: Carry, batch: Batch, limit: mx.array) -> tuple[Carry, Metrics, Tree, mx.array | None]:
            carry, _, metrics, gradients, rows = loss_and_gradients(self.model, carry, batch, self.loss_type, limit)
            return carry, metrics, gradients, rows

        return forward

    def _compile_update(self) -> Any:
        changed = [self.model.state, self.optimizer.state, self.puzzle_optimizer.state]

        @partial(mx.compile, inputs=changed, outputs=changed)
        def update(
            carries: tuple[Carry, ...],
            metrics: list[Metrics],
            gradients: tuple[Tree, ...],
            rows: tuple[mx.array | None, ...],
        ) -> tuple[Carry, Metrics]:
            carry = tree_map(lambda *parts: mx.concatenate(list(parts)), *carries)
            self.optimizer.update(self.model, tree_map(lambda *parts: sum(parts) / len(parts), *gradients))
            if self.model.config.puzzle_emb_ndim:
                table = self.model.puzzle_emb
                row_gradients = mx.concatenate([r for r in rows if r is not None]) / len(rows)
                table.weight = self.puzzle_optimizer.apply_rows(
                    table.weight, carry["puzzle_identifiers"], row_gradients
                )
            return carry, tree_map(lambda *parts: sum(parts), *metrics)

        return update
