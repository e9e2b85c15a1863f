"""How ranks agree to stop at the same step."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import mlx.core as mx

from hrm_train.ranks._ranks import Ranks
from hrm_train.run._stop import StopRequest

_LAG = 2  # steps between sending and reading: the step is done by then, so reading does not wait


class StopAgreement:
    """Turns a stop request of any rank into a stop of all ranks after the same step.

    Args:
        request: The stop request of this rank.
        ranks: The processes that train together; one alone needs no agreement.
    """

    def __init__(self, request: StopRequest, ranks: Ranks) -> None:
        self._request, self._ranks = request, ranks
        self._sent: deque[mx.array] = deque()
        self._agreed = False

    @property
    def is_set(self) -> bool:
        """Whether to stop after this step."""
        return self._agreed if self._ranks.size > 1 else self._request.is_set

    def exchange(self) -> None:
        """Send this rank's request to the others and read theirs, once after each step."""
        if self._ranks.size == 1:
            return
        requests = self._ranks.sum([mx.array(float(self._request.is_set))])[0]
        mx.async_eval(requests)
        self._sent.append(requests)
        if len(self._sent) > _LAG:
            self._agreed = bool(self._sent.popleft().item()) or self._agreed

    @contextmanager
    def acts_at_once(self, rescue: Callable[[], NoReturn], *, raises: bool = True) -> Iterator[None]:
        """End the block on a stop request, by `StopNow` or by `rescue`.

        Several ranks finish the block together if it ends in time, or rank 0 calls `rescue`.

        Args:
            rescue: See `StopRequest.acts_at_once`.
            raises: Whether a single rank is left by `StopNow`.
        """
        if not self._ranks.leads:
            yield
        else:
            with self._request.acts_at_once(rescue, raises=raises and self._ranks.size == 1):
                yield
