"""The errors of this package."""

from pathlib import Path


class HRMTrainError(Exception):
    """Base class of all errors of hrm_train."""


class DamagedCheckpointError(HRMTrainError):
    """A checkpoint whose files differ from what was written.

    Args:
        path: The checkpoint.
        problem: What is wrong with it.
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path} is damaged: {problem}")


class RunInUseError(HRMTrainError):
    """Another process is training in the run."""


class InterruptedRunError(HRMTrainError):
    """Training was stopped by a signal; a checkpoint holds its state."""
