import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

import mlx.core as mx
from hrm_data import HRMDataError
from pydantic import ValidationError
from pydantic_settings import CliApp, CliSettingsSource, SettingsError

from hrm_trainer._errors import UserError
from hrm_trainer._settings import TrainerSettings

NEWEST = "newest"


class _Parser(argparse.ArgumentParser):
    """Argument parser that raises what a user did wrong instead of exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise the message, with the nearest flag where one was not known."""
        unknown = message.removeprefix("unrecognized arguments: ").split()[0]
        known = [flag for action in self._actions for flag in action.option_strings]
        near = difflib.get_close_matches(unknown.split("=")[0], known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if "unrecognized" in message and near else ""
        raise UserError(f"{message}{hint} (trainer --help lists the flags)")


def parse(argv: list[str]) -> TrainerSettings:
    """Return the settings that a command line asks for.

    Raises:
        UserError: If a flag is unknown or a value is not allowed.
    """
    TrainerSettings.gpu_available = mx.default_device().type == mx.DeviceType.gpu
    argv = _complete_resume(argv)
    parser = _Parser(prog="trainer", description=TrainerSettings.__doc__, formatter_class=_formatter)
    source: CliSettingsSource[argparse.ArgumentParser] = CliSettingsSource(
        TrainerSettings,
        root_parser=parser,
        cli_prog_name="trainer",
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
        formatter_class=_formatter,
    )
    try:
        settings = CliApp.run(TrainerSettings, cli_args=argv, cli_settings_source=source)
    except ValidationError as error:
        raise UserError(describe(error)) from error
    except (SettingsError, HRMDataError) as error:
        raise UserError(str(error)) from error
    if settings.resume is not None:
        _refuse_settings_with_resume(argv)
    return settings


def describe(error: ValidationError) -> str:
    """Return one line for every wrong field: its flag, its value, and what is allowed."""
    lines = []
    for item in error.errors():
        flag = "--" + ".".join(part for part in item["loc"] if isinstance(part, str))
        problem = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            lines.append(f"{flag}: there is no such setting (trainer --help lists them)")
        elif isinstance(item["input"], dict):  # several fields that do not go together
            lines.append(f"{flag}: {problem}")
        else:
            lines.append(f"{flag} {item['input']}: {problem[0].lower()}{problem[1:]}")
    return "\n".join(lines)


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=34, width=110)


def _complete_resume(argv: Sequence[str]) -> list[str]:
    """Give a bare --resume its value, the newest run."""
    completed = []
    for i, word in enumerate(argv):
        bare = word == "--resume" and (i + 1 == len(argv) or argv[i + 1].startswith("-"))
        completed += ["--resume", NEWEST] if bare else [word]
    return completed


def _refuse_settings_with_resume(argv: Sequence[str]) -> None:
    flags = [word.split("=")[0] for word in argv if word.startswith("--")]
    odd = [flag for flag in flags if flag not in ("--resume", "--runs")]
    if odd:
        raise UserError(f"{odd[0]}: does not go with --resume, because a run keeps the settings that it started with")
