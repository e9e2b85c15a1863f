"""What a run reports, and the callbacks that it reports to."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Report = Mapping[str, Any]
"""Numbers by name, and `halting_steps`: how many puzzles took 1, 2, ... ACT steps."""


class Callback(Protocol):
    """Receives the events of a run; a subclass defines only the methods that it needs."""

    def started(self, step: int) -> None:
        """The run starts; an earlier process has done `step` steps."""
        return None

    def reported(self, report: Report) -> None:
        """There are new training metrics, taken since the last report."""
        return None

    def evaluated(self, report: Report) -> None:
        """There are new scores on held-out puzzles."""
        return None

    def stopping(self) -> None:
        """A stop was requested: the current step or evaluation comes first. Called from any thread."""
        return None

    def ended(self) -> None:
        """The run has ended: finished, stopped or failed."""
        return None


class CallbackGroup(Callback):
    """Passes each event to all callbacks, in their order."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = callbacks

    def started(self, step: int) -> None:
        """The run starts."""
        for callback in self._callbacks:
            callback.started(step)

    def reported(self, report: Report) -> None:
        """There are new training metrics."""
        for callback in self._callbacks:
            callback.reported(report)

    def evaluated(self, report: Report) -> None:
        """There are new scores."""
        for callback in self._callbacks:
            callback.evaluated(report)

    def stopping(self) -> None:
        """A stop was requested."""
        for callback in self._callbacks:
            callback.stopping()

    def ended(self) -> None:
        """The run has ended."""
        for callback in self._callbacks:
            callback.ended()
