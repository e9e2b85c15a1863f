from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrm_data import HRMDataError, TaskFamily, get_family
from hrm_data.task import read_task
from pydantic import ValidationError
from pydantic_settings import CliApp, CliSettingsSource, SettingsError

from hrm_trainer._errors import UserError
from hrm_trainer._file import read_settings_file
from hrm_trainer._flags import SHORT, Parser, formatter, nearest
from hrm_trainer._settings import DEFAULT_DATASET, TrainerSettings, settings_type

NEWEST = "newest"


def parse(argv: Sequence[str]) -> TrainerSettings:
    """Return the settings that a command line asks for.

    Raises:
        UserError: If a flag is unknown or a value is not allowed.
    """
    argv = _complete_resume([_underscored(word) for word in argv])
    config = _value_of("--config", argv)
    file = read_settings_file(Path(config)) if config else {}
    data_path = _value_of("--data_path", argv) or file.get("data_path")
    family = find_family(_value_of("--dataset", argv) or file.get("dataset"), data_path)
    flags = [word.split("=")[0] for word in argv if word.startswith("--")]
    if data_path:
        _refuse_puzzles(data_path, family, flags)
        if "data_path" in file:
            _refuse_puzzles(
                data_path, family, [f"data.{name}" for name in file.get("data", {})], f"--config {config}: "
            )

    settings_class = settings_type(family)
    parser = Parser(description=TrainerSettings.__doc__)
    source: CliSettingsSource[Parser] = CliSettingsSource(
        settings_class,
        root_parser=parser,
        cli_prog_name="trainer",
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
        formatter_class=formatter,
    )
    try:
        settings = CliApp.run(settings_class, cli_args=argv, cli_settings_source=source)
    except ValidationError as error:
        raise UserError(describe(error, parser.flags)) from error
    except (SettingsError, HRMDataError) as error:
        raise UserError(str(error)) from error

    if settings.resume is not None:
        odd = [flag for flag in flags if flag not in ("--resume", "--runs", "--ranks", "--wandb")]
        if odd:
            raise UserError(f"{odd[0]}: does not go with --resume, a run keeps the settings that it started with")
    return settings


def find_family(dataset: Any, data_path: Any) -> TaskFamily | None:
    """Return the family of a dataset's name, else of what a dataset directory says it holds, else the default's.

    Returns:
        None for a directory in the reference's own format, which does not say.

    Raises:
        UserError: If no installed package has the family.
    """
    if dataset is None and data_path is not None:
        content = read_task(Path(data_path))
        if content is None:
            return None
        dataset, where = content.get("task"), f"{data_path}/task.json, field task"
    else:
        dataset, where = DEFAULT_DATASET if dataset is None else dataset, "--dataset"
    try:
        return get_family(str(dataset))
    except HRMDataError as error:
        raise UserError(f"{where} {dataset}: {error}") from error


def _refuse_puzzles(data_path: Any, family: TaskFamily | None, names: Sequence[str], where: str = "") -> None:
    """Refuse settings that say which puzzles to make, where these are made already."""
    allowed = family.augmentation.model_fields if family else {}
    odd = [
        name
        for name in names
        if name.removeprefix("--").removeprefix("no-").startswith("data.") and name.split(".")[1] not in allowed
    ]
    if odd:
        raise UserError(f"{where}{odd[0]}: does not go with data_path {data_path}, whose puzzles are made already")


def _value_of(flag: str, argv: Sequence[str]) -> str | None:
    """The last value that a flag has on the command line, before the command line is understood as a whole."""
    value = None
    for word, after in zip(argv, [*argv[1:], None], strict=True):
        if word == flag:
            value = after
        elif word.startswith(f"{flag}="):
            value = word.removeprefix(f"{flag}=")
    return value


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
    off = "no-" if flag.startswith("no-") else ""
    name = flag.removeprefix("no-").replace("-", "_")
    return f"--{off}{SHORT.get(name, name)}{equals}{value}"


def _complete_resume(argv: Sequence[str]) -> list[str]:
    """Give a bare --resume its value, the newest run."""
    completed = []
    for i, word in enumerate(argv):
        bare = word == "--resume" and (i + 1 == len(argv) or argv[i + 1].startswith("-"))
        completed += ["--resume", NEWEST] if bare else [word]
    return completed
