"""The errors of this package."""

from pathlib import Path

from hrm_model.untrusted import message


class HRMTrainError(Exception):
    """Base class of all errors of hrm_train.

    Its text may be printed on a terminal: what it quotes is escaped, and cut where it is long.
    """

    def __init__(self, text: str) -> None:
        super().__init__(message(text))


class DamagedCheckpointError(HRMTrainError):
    """A checkpoint whose files differ from what was written.

    Args:
        path: The checkpoint.
        problem: What is wrong with it.
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path} is damaged: {problem}")


class MissingCheckpointError(HRMTrainError):
    """There is no such checkpoint, or training has removed it since it was found.

    Args:
        path: The checkpoint.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            f"{path} does not exist; training keeps only the newest checkpoints (train.keep_checkpoints), so name "
            "another one, or the run"
        )


class RunInUseError(HRMTrainError):
    """Another process is training in the run."""


class InterruptedRunError(HRMTrainError):
    """Training was stopped by a signal; a checkpoint holds its state."""
