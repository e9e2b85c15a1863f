from collections.abc import Sequence

import mlx.core as mx
from hrm_data import HRMDataError
from pydantic import ValidationError
from pydantic_settings import CliApp, CliSettingsSource, SettingsError

from hrm_trainer._errors import UserError
from hrm_trainer._flags import Parser, formatter, nearest
from hrm_trainer._settings import TrainerSettings

NEWEST = "newest"


def parse(argv: Sequence[str]) -> TrainerSettings:
    """Return the settings that a command line asks for.

    Raises:
        UserError: If a flag is unknown or a value is not allowed.
    """
    TrainerSettings.gpu_available = mx.default_device().type == mx.DeviceType.gpu
    argv = _complete_resume([_underscored(word) for word in argv])
    parser = Parser(description=TrainerSettings.__doc__)
    source: CliSettingsSource[Parser] = CliSettingsSource(
        TrainerSettings,
        root_parser=parser,
        cli_prog_name="trainer",
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
        formatter_class=formatter,
    )
    try:
        settings = CliApp.run(TrainerSettings, cli_args=argv, cli_settings_source=source)
    except ValidationError as error:
        raise UserError(describe(error, parser.flags)) from error
    except (SettingsError, HRMDataError) as error:
        raise UserError(str(error)) from error

    flags = [word.split("=")[0] for word in argv if word.startswith("--")]
    if settings.resume is not None:
        odd = [flag for flag in flags if flag not in ("--resume", "--runs")]
        if odd:
            raise UserError(f"{odd[0]}: does not go with --resume, a run keeps the settings that it started with")
    if settings.data_path is not None:
        odd = [flag for flag in flags if flag.startswith("--data.") and flag != "--data.hints"]
        if odd:
            raise UserError(
                f"{odd[0]}: does not go with data_path {settings.data_path}, whose puzzles are made already"
            )
    return settings


def describe(error: ValidationError, flags: Sequence[str] = ()) -> str:
    """Return one line for every wrong field: its flag, its value, and what is allowed."""
    lines: dict[str, str] = {}
    for item in error.errors():
        place = [str(part) for part in item["loc"] if isinstance(part, str)][:2]  # deeper are a union's branches
        flag, value = "--" + ".".join(place), item["input"]
        problem = item["msg"].removeprefix("Value error, ")
        if isinstance(value, list | tuple):
            value = ",".join(str(part) for part in value)
        if item["type"] == "extra_forbidden":
            lines[flag] = f"{flag} {value}: there is no such setting{nearest(flag, flags)}; trainer --help lists them"
        elif isinstance(value, dict) and item["type"] == "value_error":  # several fields that do not go together
            lines[flag] = f"{flag}: {problem}"
        else:
            lines.setdefault(flag, f"{flag} {value}: {problem[0].lower()}{problem[1:]}")
    return "\n".join(lines.values())


def _underscored(word: str) -> str:
    """Spell a flag the way the settings are named: ``--data-path=x-y`` is ``--data_path=x-y``."""
    if not word.startswith("--"):
        return word
    flag, equals, value = word[2:].partition("=")
    return f"--{flag.replace('-', '_')}{equals}{value}"


def _complete_resume(argv: Sequence[str]) -> list[str]:
    """Give a bare --resume its value, the newest run."""
    completed = []
    for i, word in enumerate(argv):
        bare = word == "--resume" and (i + 1 == len(argv) or argv[i + 1].startswith("-"))
        completed += ["--resume", NEWEST] if bare else [word]
    return completed
