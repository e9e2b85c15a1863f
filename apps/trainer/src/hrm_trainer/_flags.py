import argparse
import difflib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from hrm_trainer._errors import UserError

_EPILOG = """\
Other commands: trainer plot [RUN] draws a run's curves; trainer doctor [--json] says what MLX computes on here;
trainer import-checkpoint and export-checkpoint translate from and to the reference's files.

A setting comes from the command line, else from the --config file, else from the preset, else it is the
default shown above. In flags - may stand for _; --keep is short for --train.keep_checkpoints, and
--on-nan for --train.on_nan. Ctrl-C saves a checkpoint, and --resume goes on from it.
Exit codes: 0 finished, 1 failure, 2 a mistake in what was asked, 130 interrupted.
"""
SHORT = {"keep": "train.keep_checkpoints", "on_nan": "train.on_nan"}  # flags of their own for two of train's
_METAVARS = {
    "int": "N",
    "float": "X",
    "Path": "PATH",
    "str": "TEXT",
    "tuple[int,int]": "ROWS,COLUMNS",
    "{int,tuple[int,int]}": "N or N,N",
    "tuple[Path,...]": "PATH,...",
}


class Parser(argparse.ArgumentParser):
    """Argument parser that raises what a user did wrong instead of exiting."""

    def __init__(self, description: str | None) -> None:
        super().__init__(
            prog="trainer",
            usage="trainer [--dataset NAME] [--preset NAME] [--GROUP.SETTING VALUE ...]",
            description=description,
            epilog=_EPILOG,
            formatter_class=formatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action="version", version=version("hrm-trainer"))

    @property
    def flags(self) -> list[str]:
        """All flags."""
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        return [flag for action in shown for flag in action.option_strings]

    def format_help(self) -> str:
        """Return the help with placeholders for people instead of Python types."""
        for action in self._actions:
            if isinstance(action.metavar, str):
                action.metavar = "RUN" if action.dest == "resume" else _METAVARS.get(action.metavar, action.metavar)
            if action.help:
                action.help = action.help.replace(" (default: None)", "").replace(" (default: ())", "")
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise the message, with the nearest flag where one was not known."""
        unknown = message.removeprefix("unrecognized arguments: ")
        hint = nearest(unknown.split()[0].split("=")[0], self.flags) if unknown != message else ""
        raise UserError(f"{message}{hint} (trainer --help lists the flags)")


def nearest(unknown: str, flags: Sequence[str]) -> str:
    """Return a hint at the flag that was probably meant, or nothing."""
    near = difflib.get_close_matches(unknown, flags, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def formatter(prog: str) -> argparse.HelpFormatter:
    """Return a formatter for lines of 110 characters that keeps the epilog's line breaks."""
    return _Formatter(prog, max_help_position=34, width=110)


class _Formatter(argparse.HelpFormatter):
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[Any] = [super(_Formatter, self)._fill_text(line, width, indent) for line in text.splitlines()]
        return "\n".join(lines)
