"""How several ranks agree to stop."""

from collections import deque

import mlx.core as mx

from hrm_train.ranks._ranks import Ranks
from hrm_train.run._stop import StopRequest

_LAG = 2  # steps after which a vote is read: its step is done by then, so that nobody waits


class StopVote:
    """Whether the run is to stop: all ranks know of any rank's wish at the same step.

    Args:
        request: This rank's wish.
        ranks: Who votes. A process alone needs no vote.
    """

    def __init__(self, request: StopRequest, ranks: Ranks) -> None:
        self._request, self._ranks = request, ranks
        self._votes: deque[mx.array] = deque()
        self._agreed = False

    @property
    def is_set(self) -> bool:
        """Whether to stop now."""
        return self._agreed if self._ranks.size > 1 else self._request.is_set

    def cast(self) -> None:
        """Vote once a step."""
        if self._ranks.size == 1:
            return
        vote = self._ranks.sum([mx.array(float(self._request.is_set))])[0]
        mx.async_eval(vote)
        self._votes.append(vote)
        if len(self._votes) > _LAG:
            self._agreed = bool(self._votes.popleft().item()) or self._agreed
