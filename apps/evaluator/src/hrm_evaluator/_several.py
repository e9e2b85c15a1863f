"""Opens one model, or those of a run's newest checkpoints."""

from pathlib import Path
from typing import NamedTuple

from hrm_model import HRM
from hrm_train import DamagedCheckpointError, checkpoints

from hrm_evaluator._errors import UserError
from hrm_evaluator._open import WEIGHTS, Checkpoint, find_checkpoint, open_model, warn


class Opened(NamedTuple):
    """A model and where it comes from."""

    checkpoint: Checkpoint
    model: HRM


def open_models(
    path: Path | None, runs: Path, count: int, data_path: Path | None = None, task: str | None = None
) -> list[Opened]:
    """Open the newest ``count`` checkpoints of a run that are whole, newest first; one may be of any kind.

    ``data_path`` and ``task`` are for a checkpoint of the reference, see :func:`open_model`.

    Raises:
        UserError: If there are fewer, or ``path`` is no run and more than one is asked for.
    """
    newest = find_checkpoint(path, runs)
    if count == 1:
        return [Opened(newest, open_model(newest, data_path, task))]
    if newest.run is None or (path is not None and not (path / "config.json").is_file()):
        raise UserError(f"--checkpoints {count}: --checkpoint {path} is a single one; name its run instead")
    found: list[Opened] = []
    directories = checkpoints(newest.run.checkpoint_directory)
    for directory in reversed(directories):
        checkpoint = Checkpoint(directory / WEIGHTS, newest.run)
        try:
            found.append(Opened(checkpoint, open_model(checkpoint)))
        except DamagedCheckpointError as error:
            warn(f"{error}; it does not vote")
        if len(found) == count:
            return found
    raise UserError(
        f"--checkpoints {count}: {newest.run.path} has {len(found)} that are whole; ask for fewer, or train with a "
        "larger train.keep_checkpoints"
    )
