"""The subcommands of `trainer`. Each imports what it needs when it is called, so that help stays quick."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from hrm_data.command_line import CommandError
from hrm_data.terminal import say

Run = Annotated[Path | None, Parameter(help="Directory of a run; without it, the newest run.")]
Runs = Annotated[Path, Parameter(help="Directory that holds the runs.", metavar="PATH")]


def plot(run: Run = None, /, *, runs: Runs = Path("runs")) -> None:
    """Draw a run's curves into its curves.png."""
    from hrm_train import HRMTrainError, RunDirectory

    from hrm_trainer._plot import draw_curves

    try:
        say(str(draw_curves(RunDirectory(run) if run else RunDirectory.newest(runs))))
    except HRMTrainError as error:
        raise CommandError(f"plot: {error}") from error


def import_checkpoint(
    path: Annotated[str, Parameter(help="A file step_N, its directory, or hf://OWNER/NAME on the hub.")],
    /,
    *,
    output: Annotated[Path, Parameter(help="Run directory to make.", metavar="DIR")],
    data_path: Annotated[
        Path | None, Parameter(help="Dataset directory that the checkpoint was trained on.", metavar="DIR")
    ] = None,
    dataset: Annotated[str | None, Parameter(help="Task of its puzzles, such as sudoku.", metavar="NAME")] = None,
    seq_len: Annotated[
        int | None, Parameter(help="Tokens in a puzzle, without --data-path and --dataset.", metavar="N")
    ] = None,
    forward_dtype: Annotated[
        Literal["float32", "bfloat16"] | None,
        Parameter(help="Dtype of activations; without it, that of the checkpoint's training."),
    ] = None,
) -> None:
    """Make a run from a checkpoint of the reference, to evaluate it or to continue its training."""
    _refuse_existing(output)
    from hrm_data.dataset import claimed

    with claimed(output):
        from hrm_trainer._convert import import_reference

        import_reference(path, output, data_path, dataset, seq_len, forward_dtype)


def export_checkpoint(
    run: Annotated[Path, Parameter(help="A run, or one of its checkpoints.")],
    /,
    *,
    output: Annotated[Path, Parameter(help="Directory to make.", metavar="DIR")],
    format: Annotated[
        Literal["safetensors", "torch"], Parameter(help="File format; torch needs PyTorch.")
    ] = "safetensors",
) -> None:
    """Write a checkpoint in the layout of the reference's trainer."""
    _refuse_existing(output)
    from hrm_data.dataset import claimed

    with claimed(output):
        from hrm_trainer._convert import export_reference

        export_reference(run, output, format)


def doctor() -> None:
    """Show what MLX computes on here, how fast, and what is missing."""


ALL = (doctor, plot, import_checkpoint, export_checkpoint)


def _refuse_existing(output: Path) -> None:
    if output.exists():
        raise CommandError(f"--output {output}: exists already and is not overwritten; choose another name")
