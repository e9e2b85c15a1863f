"""Reports to Weights & Biases."""

from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from hrm_train._choices import WandbMode
from hrm_train.run._callbacks import Callback, Report


def wandb_callbacks(
    mode: WandbMode, directory: str | Path, config: Mapping[str, Any], say: Callable[[str], None]
) -> list[Callback]:
    """Return the callback that reports to Weights & Biases, or none if it is disabled or cannot work.

    Args:
        mode: `online`, `offline` (files in the run's directory, which `wandb sync` uploads) or `disabled`.
        directory: The run's directory; its name becomes the name of the wandb run.
        config: The configuration that wandb shows with the run.
        say: Called with one line that says why there will be no reports, or where the files are and how to upload them.
    """
    if mode == "disabled":
        return []
    from lightning_utilities.core.imports import RequirementCache  # slow to import

    try:
        if not RequirementCache("wandb>=0.31", "wandb"):
            raise ImportError("wandb is not installed; pip install 'hrm-train[wandb]'")
        return [_WandbReports(mode, Path(directory), config, say)]
    except Exception as error:  # a fault of account, network or package must not stop training
        say(f"--wandb {mode}: no reports there, training goes on ({_one_line(error)})")
        return []


class _WandbReports(Callback):
    def __init__(
        self,
        mode: Literal["offline", "online"],
        directory: Path,
        config: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:
        import wandb

        settings = wandb.Settings(silent=True, console="off")
        wandb.setup(settings=settings)
        if mode == "online" and not wandb.login(prompt=False):  # without this it would prompt on the terminal
            raise PermissionError("not logged in; run wandb login, or ask for --wandb offline")
        self._histogram, self._say = wandb.Histogram, say
        self._run: Any = wandb.init(
            project="hrm",
            id=directory.name,
            name=directory.name,
            resume="allow",
            mode=mode,
            dir=directory,
            config=dict(config),
            settings=settings,
        )
        self._files = Path(self._run.dir).parent if mode == "offline" else None
        self._upload = f"wandb sync {quote(str(self._files))}"

    def reported(self, report: Report) -> None:
        """Report training metrics."""
        self._log("train", report)

    def evaluated(self, report: Report) -> None:
        """Report scores on held-out puzzles."""
        self._log("eval", report)

    def ended(self) -> None:
        """Finish the wandb run."""
        self._attempt(lambda run: run.finish())
        if self._files is not None and self._run is not None:
            self._say(f"Weights & Biases: offline, the files are in {self._files}; to upload them: {self._upload}")

    def _log(self, kind: str, report: Report) -> None:
        values: dict[str, Any] = {f"{kind}/{name}": value for name, value in report.items() if name != "step"}
        for name, value in values.items():
            if isinstance(value, list):
                edges = [n + 0.5 for n in range(len(value) + 1)]
                values[name] = self._histogram(np_histogram=(value, edges))
        self._attempt(lambda run: run.log(values, step=int(report["step"])))

    def _attempt(self, work: Callable[[Any], object]) -> None:
        """Call wandb; after the first failure there are no more calls, and training goes on."""
        if self._run is None:
            return
        try:
            work(self._run)
        except Exception as error:
            self._run = None
            self._say(f"Weights & Biases: no more reports there, training goes on ({_one_line(error)})")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
