"""Finding the checkpoint, run or weight file that a user names."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from hrm_data.terminal import say
from hrm_data.untrusted import quoted
from hrm_model import download_checkpoint, find_reference, hub_hint, hub_id
from hrm_train import HRMTrainError, RunDirectory

from hrm_evaluator._errors import UserError
from hrm_evaluator.shipped._models import cards, is_shipped, weights_of

WEIGHTS, STATE = "model.safetensors", "state.json"
REFERENCE_CONFIG = "all_config.yaml"


class Checkpoint(NamedTuple):
    """A weight file and the run that wrote it, if it belongs to one."""

    weights: Path
    run: RunDirectory | None

    def setting(self, name: str, kind: type) -> Any:
        """Return an entry of the run's `config.json`; None without a run or without the entry.

        The trainer's file has a `format`. In the one of a run made in Python, an entry of another type means something
        else and is not read.

        Raises:
            UserError: If the entry of the trainer's file is of another type.
        """
        config = {} if self.run is None else self.run.config
        value = config.get(name)
        if self.run is not None and value is not None and not isinstance(value, kind):
            if "format" not in config:
                return None
            raise UserError(
                f"{self.run.path / 'config.json'}: {name} is {quoted(value)}, but must be a {kind.__name__}"
            )
        return value


def find_checkpoint(named: str | Path | None, runs: Path) -> Checkpoint:
    """Find the checkpoint that `named` says, or the newest one of the newest run.

    Args:
        named: A run directory (its newest checkpoint), a checkpoint directory, a weight file, the name of a model that
            comes along, a checkpoint of the reference, or `hf://OWNER/NAME`, one on the Hugging Face hub; None for the
            newest run.
        runs: Directory that holds the run directories.

    Raises:
        UserError: If there is none.
        HRMModelError: If the download fails.
    """
    path = None if named is None else Path(named)
    if path is not None and is_shipped(path):
        return Checkpoint(weights_of(str(path)), None)
    if named is not None and (repository := hub_id(named)):
        path = download_checkpoint(repository)
    if path is None or is_run(path):
        try:
            run = RunDirectory.newest(runs) if path is None else RunDirectory(path)
            return Checkpoint(run.newest_checkpoint(report=warn) / WEIGHTS, run)
        except HRMTrainError as error:
            raise UserError(f"{error} (--runs and --checkpoint say where to look)") from error
    if not path.exists():
        *names, last = ("a run", "a checkpoint", "a weight file", *cards())
        raise UserError(f"--checkpoint {path}: does not exist; name {', '.join(names)} or {last}{hub_hint(path)}")
    if path.is_dir() and not (path / WEIGHTS).is_file() and _holds_reference(path):
        return Checkpoint(find_reference(path), None)
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        raise UserError(f"--checkpoint {path}: has neither {WEIGHTS}, like a checkpoint, nor config.json, like a run")
    root = (weights.resolve().parent / ".." / "..").resolve()  # <run>/checkpoints/<step>/model.safetensors
    return Checkpoint(weights, RunDirectory(root) if is_run(root) else None)


def _holds_reference(directory: Path) -> bool:
    return (directory / REFERENCE_CONFIG).is_file() or any(directory.glob("*.ckpt"))


def is_reference(weights: Path) -> bool:
    """Whether a weight file is one of the reference or of a relative: beside its configuration, or of Lightning."""
    return weights.suffix == ".ckpt" or (weights.name != WEIGHTS and (weights.parent / REFERENCE_CONFIG).is_file())


def is_run(path: Path) -> bool:
    """Whether a directory is a run directory."""
    return (path / "config.json").is_file()


def has_runs(runs: Path) -> bool:
    """Whether a directory holds run directories."""
    return any(map(is_run, runs.iterdir())) if runs.is_dir() else False


def warn(problem: str) -> None:
    """Print a problem that does not stop the command."""
    say(f"evaluator: {problem}", file=sys.stderr)
