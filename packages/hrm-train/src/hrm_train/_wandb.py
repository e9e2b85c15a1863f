"""Reports to Weights & Biases, for those who ask for them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from hrm_train._protocols import Callback, Report

WandbMode = Literal["disabled", "offline", "online"]


def wandb_callbacks(
    mode: WandbMode, directory: Path, config: Mapping[str, Any], say: Callable[[str], None]
) -> list[Callback]:
    """Return the callback that reports to Weights & Biases, or none where that cannot be.

    Args:
        mode: ``online``, ``offline`` (files in the run's directory, sent later by ``wandb sync``) or ``disabled``.
        directory: The run's directory; its name is the run's there, too.
        config: Shown beside the run.
        say: Told in one line why there will be no reports.
    """
    if mode == "disabled":
        return []
    from lightning_utilities.core.imports import RequirementCache  # slow to import, and for those who ask

    try:
        if not RequirementCache("wandb>=0.31", "wandb"):
            raise ImportError("wandb is not installed; pip install 'hrm-train[wandb]'")
        return [_WandbReports(mode, directory, config)]
    except Exception as error:  # whatever is wrong with an account, a network or a package: training goes on
        problem = " ".join(str(error).split())
        say(f"--wandb {mode}: no reports there, training goes on ({problem})")
        return []


class _WandbReports(Callback):
    def __init__(self, mode: Literal["offline", "online"], directory: Path, config: Mapping[str, Any]) -> None:
        import wandb

        settings = wandb.Settings(silent=True, console="off")
        wandb.setup(settings=settings)
        if mode == "online" and not wandb.login(prompt=False):  # else it would ask on the terminal
            raise PermissionError("not logged in; run wandb login, or ask for --wandb offline")
        self._histogram = wandb.Histogram
        self._run = wandb.init(
            project="hrm",
            id=directory.name,
            name=directory.name,
            resume="allow",
            mode=mode,
            dir=directory,
            config=dict(config),
            settings=settings,
        )

    def reported(self, report: Report) -> None:
        """Report metrics in training."""
        self._log("train", report)

    def evaluated(self, report: Report) -> None:
        """Report scores on held-out puzzles."""
        self._log("eval", report)

    def ended(self) -> None:
        """Finish the run there."""
        self._run.finish()

    def _log(self, kind: str, report: Report) -> None:
        values: dict[str, Any] = {f"{kind}/{name}": value for name, value in report.items() if name != "step"}
        for name, value in values.items():
            if isinstance(value, list):
                edges = [n + 0.5 for n in range(len(value) + 1)]
                values[name] = self._histogram(np_histogram=(value, edges))
        self._run.log(values, step=int(report["step"]))
