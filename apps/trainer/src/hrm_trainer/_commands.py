"""The command lines of what else ``trainer`` does. What they need is imported once they are understood."""

from collections.abc import Sequence
from pathlib import Path

from hrm_train import HRMTrainError

from hrm_trainer._command import CommandParser
from hrm_trainer._errors import UserError


def plot(argv: Sequence[str]) -> None:
    """Draw the curves of the run that a command line names.

    Raises:
        UserError: If it names no run, or one without metrics.
    """
    parser = CommandParser("plot", "Draw a run's curves into its curves.png.")
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="directory of a run (default: the newest)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="PATH", help="where run directories are")
    asked = parser.parse_args(argv)
    from hrm_train import RunDirectory

    from hrm_trainer._plot import draw_curves

    try:
        print(draw_curves(RunDirectory(asked.run) if asked.run else RunDirectory.newest(asked.runs)))
    except HRMTrainError as error:
        raise UserError(f"plot: {error}") from error


def import_checkpoint(argv: Sequence[str]) -> None:
    """Make a run of ours from a checkpoint of the reference.

    Raises:
        UserError: If the command line asks for what is not there.
        HRMModelError: If the checkpoint cannot be used.
    """
    parser = CommandParser(
        "import-checkpoint", "Make a run of a checkpoint of the reference, to evaluate it or to train on."
    )
    parser.add_argument("path", metavar="PATH", help="a file step_N, its directory, or a repository on the hub")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="run directory to make")
    parser.add_argument("--data-path", type=Path, metavar="DIR", help="dataset directory that it was trained on")
    parser.add_argument("--dataset", metavar="NAME", help="what its puzzles are, such as sudoku")
    parser.add_argument("--seq-len", type=int, metavar="N", help="tokens in a puzzle, without --data-path or --dataset")
    parser.add_argument(
        "--forward-dtype", choices=("float32", "bfloat16"), help="dtype of activations (default: as it was trained)"
    )
    asked = parser.parse_args(argv)
    _refuse_existing(asked.output)
    from hrm_trainer._reference import import_reference

    import_reference(**vars(asked))


def export_checkpoint(argv: Sequence[str]) -> None:
    """Write a checkpoint of ours under the reference's names.

    Raises:
        UserError: If there is no such run or checkpoint.
        HRMModelError: If PyTorch's format is asked for and PyTorch is not there.
    """
    parser = CommandParser("export-checkpoint", "Write a checkpoint the way the reference's trainer leaves it.")
    parser.add_argument("run", type=Path, metavar="RUN", help="a run, or one of its checkpoints")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory to make")
    parser.add_argument(
        "--format", choices=("safetensors", "torch"), default="safetensors", help="torch needs PyTorch installed"
    )
    asked = parser.parse_args(argv)
    _refuse_existing(asked.output)
    from hrm_trainer._reference import export_reference

    export_reference(**vars(asked))


def _refuse_existing(output: Path) -> None:
    if output.exists():
        raise UserError(f"--output {output}: exists already and is not overwritten; choose another name")
