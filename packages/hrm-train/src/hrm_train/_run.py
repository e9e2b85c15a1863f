import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hrm_train._checkpoint import checkpoints
from hrm_train._errors import HRMTrainError
from hrm_train._files import write_json, write_text

CONFIG = "config.json"
METRICS = "metrics.jsonl"


class RunDirectory:
    """Where a run leaves its configuration, metrics and checkpoints.

    Args:
        path: A directory made by :meth:`create`.

    Raises:
        HRMTrainError: If there is no run at ``path``.
    """

    def __init__(self, path: Path) -> None:
        if not (path / CONFIG).is_file():
            raise HRMTrainError(f"{path}: is no run, it has no {CONFIG}")
        self.path = path

    @classmethod
    def create(cls, root: Path, name: str, config: Mapping[str, Any]) -> "RunDirectory":
        """Make a new directory ``<root>/<date>-<time>-<name>`` that holds the configuration."""
        stem = f"{datetime.now():%Y%m%d-%H%M%S}-{name}"
        for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
            path = root / f"{stem}{suffix}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            write_json(path / CONFIG, config)
            return cls(path)
        raise HRMTrainError(f"{root}: no free name for a run like {stem}")

    @classmethod
    def newest(cls, root: Path) -> "RunDirectory":
        """Return the run that was started last.

        Raises:
            HRMTrainError: If there is none.
        """
        configs = sorted(root.glob(f"*/{CONFIG}"), key=lambda p: (p.stat().st_mtime_ns, p.parent.name))
        if not configs:
            raise HRMTrainError(f"{root}: holds no run yet; train one first, or name a directory that has one")
        return cls(configs[-1].parent)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the run was started with."""
        try:
            config = json.loads((self.path / CONFIG).read_text())
        except (OSError, ValueError) as error:
            raise HRMTrainError(f"{self.path / CONFIG}: is no JSON ({error})") from error
        if not isinstance(config, dict):
            raise HRMTrainError(f"{self.path / CONFIG}: should hold an object, but holds {config!r}")
        return config

    @property
    def checkpoint_directory(self) -> Path:
        """Where the run's checkpoints are."""
        return self.path / "checkpoints"

    def newest_checkpoint(self) -> Path:
        """Return the directory of the last checkpoint.

        Raises:
            HRMTrainError: If there is none.
        """
        found = checkpoints(self.checkpoint_directory)
        if not found:
            raise HRMTrainError(f"{self.path}: has no checkpoint yet")
        return found[-1]

    def append_metrics(self, metrics: Mapping[str, float | int | str]) -> None:
        """Add one line to ``metrics.jsonl`` and flush it; a number that is not finite becomes null."""
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()}
        with (self.path / METRICS).open("a") as file:
            file.write(json.dumps(finite) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return all complete lines of ``metrics.jsonl``."""
        file = self.path / METRICS
        lines = file.read_text().split("\n")[:-1] if file.is_file() else []
        return [json.loads(line) for line in lines]

    def forget_metrics_after(self, step: int) -> None:
        """Drop lines of steps that will be done again, and an unfinished last line."""
        kept = [m for m in self.read_metrics() if m["step"] <= step]
        write_text(self.path / METRICS, "".join(json.dumps(m) + "\n" for m in kept))
