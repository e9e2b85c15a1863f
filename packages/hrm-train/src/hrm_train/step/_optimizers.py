"""The optimisers: Adam-atan2 for dense weights, sparse sign-SGD for puzzle rows."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx.optimizers import Optimizer

from hrm_train.step._arctan2 import arctan2

Schedule = Callable[[mx.array], mx.array]


class AdamAtan2(Optimizer):
    r"""Adam with decoupled weight decay and `atan2` in place of the division, which needs no epsilon.

    .. math::

        w &\leftarrow (1 - \eta \lambda) w \\
        m &\leftarrow \beta_1 m + (1 - \beta_1) g \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        w &\leftarrow w - \frac{\eta}{1 - \beta_1^t} \, \mathrm{atan2}\!\left(m, \sqrt{v / (1 - \beta_2^t)}\right)

    Source: Everett et al., "Scaling Exponents Across Parameterizations and Optimizers" (arXiv 2407.05872),
    section 5. As in the HRM reference, the first bias correction stands outside the `atan2`.

    Args:
        learning_rate: The rate, or a function from the number of updates done to the rate.
        betas: Decays of the running averages of the gradient and of its square.
        weight_decay: Decoupled weight decay.
    """

    def __init__(
        self,
        learning_rate: float | Schedule,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.1,
    ) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.weight_decay = weight_decay

    def init_single(self, parameter: mx.array, state: dict[str, Any]) -> None:
        """Start both running averages at zero."""
        state["m"] = mx.zeros_like(parameter)
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict[str, Any]) -> mx.array:
        """Return one updated parameter; MLX's optimisers call this for each leaf of a tree."""
        state["m"], state["v"] = self.moments(gradient, state["m"], state["v"])
        return self.moved(parameter, state["m"], state["v"], *self.factors(self.learning_rate, self.step))

    def factors(self, learning_rate: mx.array, step: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Return what is the same for all elements in update number `step`, counted from 1, as float32 scalars.

        Returns:
            What weights, running averages of the gradient and angles are multiplied by.
        """
        b1, b2 = self.betas
        lr, t = learning_rate.astype(mx.float32), step.astype(mx.float32)
        # Correcting m instead of v gives the same angle, and leaves a plain square root, which a CPU vectorises.
        return 1 - lr * self.weight_decay, mx.sqrt(1 - b2**t), lr / (1 - b1**t)

    def moments(self, gradient: mx.array, m: mx.array, v: mx.array) -> tuple[mx.array, mx.array]:
        """Return both running averages after an update."""
        b1, b2 = self.betas
        return b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * mx.square(gradient)

    def moved(
        self, parameter: mx.array, m: mx.array, v: mx.array, decay: mx.array, correction: mx.array, rate: mx.array
    ) -> mx.array:
        """Return the parameter after an update with these `factors`, given the new running averages."""
        return parameter * decay - rate * arctan2(m * correction, mx.sqrt(v))


class SparseSignSGD(Optimizer):
    r"""Sign-SGD with weight decay on those rows of a table that a batch uses.

    Gradients of equal rows are summed before the sign:
    :math:`w_r \leftarrow (1 - \eta \lambda) w_r - \eta \, \mathrm{sign}(\sum_{i: r_i = r} g_i)`.

    Source: the HRM reference's puzzle embedding optimiser.

    Args:
        learning_rate: The rate, or a function from the number of updates done to the rate.
        weight_decay: Decoupled weight decay of the rows in the batch.
    """

    def __init__(self, learning_rate: float | Schedule, weight_decay: float = 0.1) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.weight_decay = weight_decay

    def apply_rows(self, rows: mx.array, identifiers: mx.array, gradients: mx.array) -> mx.array:
        """Return the rows `[B, E]` of a batch after one update; equal identifiers get equal rows.

        Args:
            rows: The table's rows of the batch `[B, E]` float32.
            identifiers: Index of each row in the table `[B]` int; may repeat.
            gradients: `[B, E]` float32.
        """
        self.state.update(counted(self))
        same_row = (identifiers[:, None] == identifiers[None, :]).astype(gradients.dtype)
        lr = self.learning_rate
        return rows * (1 - lr * self.weight_decay) - lr * mx.sign(same_row @ gradients)


def counted(optimizer: Optimizer) -> dict[str, mx.array]:
    """Return the number of an optimiser's next update, `step`, and its `learning_rate`."""
    rates = {name: schedule(optimizer.step) for name, schedule in optimizer._schedulers.items()}
    return {"learning_rate": optimizer.learning_rate, **rates, "step": optimizer.step + 1}
