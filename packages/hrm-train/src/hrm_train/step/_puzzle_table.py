"""The puzzle table in a training step: look up rows, update them by sign-SGD, write them in place."""

from collections.abc import Sequence

import mlx.core as mx
from hrm_model import HRM, Batch, Carry

from hrm_train.ranks._ranks import Ranks
from hrm_train.step._optimizers import SparseSignSGD
from hrm_train.step._trees import choose


class PuzzleTable:
    """The rows of the puzzle table that a step reads and replaces, and nothing else of the table.

    A step's time and memory do not depend on the size of the table. MLX copies the whole table before a write
    while a second reference to its array exists, so this class keeps none.

    Args:
        model: The model that owns the table; it may have none.
        optimizer: Updates the rows.
        ranks: The processes that train together; each holds the whole table and updates it alike.
        lanes: How many lanes compute a step.

    Attributes:
        overwritten: Takes the identifiers `[B]` and the old rows `[B, E]` of each step while the table is copied
            for a checkpoint; None otherwise.
    """

    def __init__(self, model: HRM, optimizer: SparseSignSGD, ranks: Ranks, lanes: int) -> None:
        self._model, self._optimizer, self._ranks, self._lanes = model, optimizer, ranks, lanes
        self.overwritten: list[tuple[mx.array, mx.array]] | None = None

    @property
    def weight(self) -> mx.array:
        """The table `[N, E]` float32; drop the reference before the next step."""
        weight: mx.array = self._model.puzzle_emb.weight
        return weight

    def look_up(self, carry: Carry, batch: Batch) -> tuple[mx.array, mx.array | None]:
        """Return which rows of the table all ranks' slots read once they are filled, and these rows.

        Returns:
            Their numbers `[B]`, and rows `[B, E]` (None for a model without a table).
        """
        identifiers = mx.where(carry["halted"], batch["puzzle_identifiers"], carry["puzzle_identifiers"])
        if self._ranks.size > 1:
            # When a rank dies, its values are undefined until MLX raises an error: never read outside the table.
            last = self._model.config.num_puzzle_identifiers - 1
            identifiers = mx.clip(self._ranks.gather(identifiers), 0, last)
        numbers = self._model.table_rows(identifiers)
        return numbers, self._model.puzzle_rows(numbers)

    def gradient(self, parts: Sequence[mx.array | None]) -> mx.array | None:
        """Return the gradient of the mean loss at the rows of all ranks `[B, E]`.

        Args:
            parts: The gradient at the rows of each part of this rank's slots, of the part's own mean loss.
        """
        shares = [part / (len(parts) * self._ranks.size) for part in parts if part is not None]
        if not shares:
            return None
        gathered: mx.array = self._ranks.gather(mx.concatenate(shares))
        return gathered

    def updated(self, good: mx.array, identifiers: mx.array, rows: mx.array, gradient: mx.array) -> mx.array:
        """Return the rows after sign-SGD, or as they were if `good` is false; counts the update."""
        old = dict(self._optimizer.state)
        new = mx.where(good, self._optimizer.apply_rows(rows, identifiers, gradient), rows)
        self._optimizer.state.update(choose(good, self._optimizer.state, old))
        return new

    def write(self, identifiers: mx.array, old: mx.array, new: mx.array) -> None:
        """Replace rows of the table in place, and start the write.

        MLX writes in place only once no pending work reads the table. The lookup comes first in a step, so on one
        lane it is done by the end of the previous step, and the device stays busy with this step. On several lanes
        an evaluated array waits for all work that was started with it: the whole step.

        Args:
            identifiers: Rows of the table `[B]`.
            old: What `look_up` gave `[B, E]`.
            new: The new rows `[B, E]`, already started.
        """
        mx.eval(old if self._lanes == 1 else new)
        if self.overwritten is not None:
            self.overwritten.append((identifiers, old))
        self._model.puzzle_emb.weight[identifiers] = new
        mx.async_eval(self._model.puzzle_emb.weight)
