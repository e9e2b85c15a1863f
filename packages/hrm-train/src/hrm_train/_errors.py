from pathlib import Path


class HRMTrainError(Exception):
    """Base class of every error that hrm_train raises."""


class DamagedCheckpointError(HRMTrainError):
    """A checkpoint whose files are not those that were written.

    Args:
        path: The checkpoint.
        problem: What is wrong with it.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is damaged: {problem}")


class RunInUseError(HRMTrainError):
    """A run that another process is writing."""


class InterruptedRunError(HRMTrainError):
    """Training was asked to stop; what it had is in a checkpoint."""
