"""A run's directory: its configuration, metrics, checkpoints and lock."""

import errno
import fcntl
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from hrm_model.untrusted import parse_json, quoted, read_bytes, shortened

from hrm_train._errors import DamagedCheckpointError, HRMTrainError, MissingCheckpointError, RunInUseError
from hrm_train._files import open_in_place, sync, write_json, write_text
from hrm_train.checkpoint._checkpoint import checkpoints
from hrm_train.checkpoint._manifest import check_manifest

_MOST_BYTES = 1 << 20  # of the configuration, which names every file of the dataset
CONFIG = "config.json"
METRICS = "metrics.jsonl"
LOCK = "lock"
CHECKPOINTS = "checkpoints"


class RunDirectory:
    """The directory of a run, with its configuration, metrics and checkpoints.

    Args:
        path: A directory that `create` has made.

    Raises:
        HRMTrainError: If `path` holds no run.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        if not (path / CONFIG).is_file():
            raise HRMTrainError(f"{path}: is no run, it has no {CONFIG}")
        self.path = path

    @classmethod
    def create(cls, root: str | Path, name: str, config: Mapping[str, Any]) -> "RunDirectory":
        """Make a new directory `<root>/<date>-<time>-<name>` with the configuration."""
        root = Path(root)
        stem = f"{datetime.now():%Y%m%d-%H%M%S}-{name}"
        for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
            path = root / f"{stem}{suffix}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            run = cls.fill(path, config)
            sync(root)
            return run
        raise HRMTrainError(f"{root}: no free name for a run like {stem}")

    @classmethod
    def fill(cls, path: str | Path, config: Mapping[str, Any]) -> "RunDirectory":
        """Make a run of an empty directory."""
        path = Path(path)
        (path / CHECKPOINTS).mkdir()
        write_json(path / CONFIG, config)
        return cls(path)

    @classmethod
    def newest(cls, root: str | Path) -> "RunDirectory":
        """Return the run that was started last.

        Raises:
            HRMTrainError: If there is none.
        """
        configs = sorted(Path(root).glob(f"*/{CONFIG}"), key=lambda p: (p.stat().st_mtime_ns, p.parent.name))
        if not configs:
            raise HRMTrainError(f"{root}: holds no run yet; train one first, or name a directory that has one")
        return cls(configs[-1].parent)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the run was started with."""
        try:
            config = parse_json(read_bytes(self.path / CONFIG, _MOST_BYTES))
        except (OSError, ValueError) as error:
            raise HRMTrainError(f"{self.path / CONFIG}: is no JSON ({shortened(error)})") from error
        if not isinstance(config, dict):
            raise HRMTrainError(f"{self.path / CONFIG}: should hold an object, but holds {quoted(config)}")
        return config

    @property
    def checkpoint_directory(self) -> Path:
        """The directory of the run's checkpoints."""
        return self.path / CHECKPOINTS

    def newest_checkpoint(self, report: Callable[[str], object] = warnings.warn) -> Path:
        """Return the directory of the newest undamaged checkpoint.

        Args:
            report: Called for each newer, damaged one with the damage and the checkpoint that is used instead.

        Raises:
            HRMTrainError: If the run has none, or all are damaged.
        """
        problems: list[DamagedCheckpointError] = []
        tried: set[Path] = set()
        while new := [path for path in checkpoints(self.checkpoint_directory) if path not in tried]:
            path = new[-1]
            tried.add(path)
            try:
                check_manifest(path)
            except DamagedCheckpointError as error:
                problems.append(error)
                continue
            except MissingCheckpointError:  # a running training has replaced it by a newer one
                continue
            for problem in problems:
                report(f"{problem}; {path.name} is used instead")
            return path
        if not problems:
            raise HRMTrainError(f"{self.path}: has no checkpoint yet")
        raise HRMTrainError("; ".join(map(str, problems)) + "; no checkpoint is left, start the run anew")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this run during the block; a killed process leaves no lock.

        Raises:
            RunInUseError: If another process holds the lock.
            HRMTrainError: If the directory is not writable.
        """
        try:
            file = open_in_place(self.path / LOCK, "a")
        except OSError as error:
            _refuse_link(self.path / LOCK, error)
            raise HRMTrainError(
                f"{self.path}: cannot be written to ({error.strerror}); make it writable, or copy it elsewhere and "
                "resume the copy"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunInUseError(
                    f"{self.path}: another process is training here; wait until it ends, or stop it first"
                ) from error
            yield

    def append_metrics(self, metrics: Mapping[str, float | int | str]) -> None:
        """Append one line to `metrics.jsonl` and flush it; a number that is not finite becomes null.

        Raises:
            HRMTrainError: If it cannot be written, as on a full disk.
        """
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()}
        try:
            with open_in_place(self._metrics, "a") as file:
                file.write(json.dumps(finite) + "\n")
        except OSError as error:
            _refuse_link(self._metrics, error)
            raise HRMTrainError(
                f"{self._metrics}: could not be written ({error.strerror}); make room and resume, "
                "the checkpoints are intact"
            ) from error

    def sync_metrics(self) -> None:
        """Wait until the disk holds all metrics."""
        if self._metrics.exists():
            sync(self._metrics)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return all complete lines of `metrics.jsonl`.

        Raises:
            HRMTrainError: If a line is not a JSON object with a step.
        """
        return [metrics for metrics, _ in self._metric_lines()]

    def forget_metrics_after(self, step: int) -> None:
        """Remove the lines of later steps, which will be done again, and an unfinished last line."""
        if self._metrics.exists():
            write_text(self._metrics, "".join(f"{line}\n" for m, line in self._metric_lines() if m["step"] <= step))

    def was_evaluated(self, step: int) -> bool:
        """Return whether the metrics hold the scores of an evaluation after `step` steps."""
        return any(m["step"] == step for m in self._evaluations())

    def best_step(self, score: str) -> int | None:
        """Return after how many steps a score was first at its highest; None without an evaluation."""
        scored = [(m[score], -m["step"]) for m in self._evaluations() if m.get(score) is not None]
        return -max(scored)[1] if scored else None

    def reached(self, accuracy: float, step: int) -> bool:
        """Return whether the training report after `step` steps has at least this exact accuracy."""
        reports = (m for m in self.read_metrics() if m.get("kind") == "train" and m["step"] == step)
        return any(m.get("exact_accuracy", 0) >= accuracy for m in reports)

    @property
    def _metrics(self) -> Path:
        return self.path / METRICS

    def _evaluations(self) -> Iterator[dict[str, Any]]:
        return (m for m in self.read_metrics() if m.get("kind") == "eval")

    def _metric_lines(self) -> Iterator[tuple[dict[str, Any], str]]:
        text = self._metrics.read_bytes().decode(errors="replace") if self._metrics.exists() else ""
        for number, line in enumerate(text.split("\n")[:-1], start=1):
            try:
                metrics = parse_json(line)
                metrics["step"] + 0
            except (ValueError, KeyError, TypeError) as error:
                raise HRMTrainError(
                    f"{self._metrics}: line {number} is {line[:80]!r}, but should be a JSON object with a step; "
                    "remove the line"
                ) from error
            yield metrics, line


def _refuse_link(path: Path, error: OSError) -> None:
    """Raise if a file could not be opened because it is a symbolic link."""
    if error.errno == errno.ELOOP:
        raise HRMTrainError(f"{path}: is a symbolic link, which is not followed; remove it") from error
