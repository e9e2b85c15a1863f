"""The command line of `trainer`: its settings from flags, file and preset, and its subcommands."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from cyclopts import CycloptsError
from hrm_data import TaskFamily
from hrm_data.command_line import (
    CommandError,
    application,
    dispatch,
    flags_of,
    leaves,
    options_of,
    underscored,
    validate,
)

from hrm_trainer import _subcommands
from hrm_trainer.settings._settings import NEWEST, TrainerSettings, find_family, settings_type, with_one_length
from hrm_trainer.settings._settings_file import read_settings_file
from hrm_trainer.settings._synonyms import FREQUENT, SYNONYMS

SECOND_FLAGS = {"train.keep_checkpoints": "--keep", "train.on_nan": "--on-nan"}
_WITH_RESUME = ("resume", "runs", "ranks", "oversubscribe", "wandb")
HELP_ALL = "--help-all"
_HELP = {"-h", "--help", HELP_ALL}
_USAGE = """\
Usage: trainer [--dataset NAME] [--preset NAME] [--GROUP.SETTING VALUE ...]
       trainer doctor [--json]
       trainer plot [RUN]
       trainer import-checkpoint PATH --output DIR
       trainer export-checkpoint RUN --output DIR"""
_EPILOGUE = """\
A setting comes from the command line, else from the --config file, else from the preset, else from its default.

The --data settings depend on the puzzles: trainer --dataset NAME --help lists them.

Defaults are those for the --preset, --dataset, --device and --config on the same command line.

In flags - and _ are the same. Ctrl-C saves a checkpoint; --resume continues from it.

Exit codes: 0 finished, 1 failure, 2 a mistake in the command line, 130 interrupted."""


def parse(words: Sequence[str]) -> TrainerSettings | None:
    """Return the settings of the training that a command line asks for.

    Returns:
        None where the words name a subcommand or ask for help; that is done then.

    Raises:
        CommandError: A flag is unknown or a value is not allowed.
    """
    app = application(
        "trainer",
        str(TrainerSettings.__doc__),
        version=lambda: version("hrm-trainer"),
        usage=_USAGE,
        help_epilogue=_EPILOGUE
        if HELP_ALL in words
        else f"These are the frequent settings; trainer {HELP_ALL} lists all.\n\n{_EPILOGUE}",
    )
    for command in _subcommands.ALL:
        app.command(command, help_epilogue="")
    if not words or words[0].startswith("-") or words[0] not in app:
        words = _complete_resume(words)
        app.default(_training(words))
        words = ["--help" if word == HELP_ALL else word for word in words]
    result = dispatch(app, words, SYNONYMS)
    return result if isinstance(result, TrainerSettings) else None


def _training(words: Sequence[str]) -> Any:
    """Return the function behind `trainer` without a subcommand; its options depend on the puzzles."""
    look = _look_ahead(words)
    file = read_settings_file(look["config"]) if look.get("config") else {}
    data_path = look.get("data_path") or file.get("data_path")
    family = find_family(look.get("dataset") or file.get("dataset"), data_path)
    names = _setting_names(words)
    if data_path:
        _refuse_puzzles(data_path, family, names, "--")
        if "data_path" in file:
            in_file = [f"data.{name}" for name in file.get("data", {})]
            _refuse_puzzles(data_path, family, in_file, f"--config {look['config']}: ")
    made = settings_type(family)

    def train(options: Mapping[str, Any] | None = None) -> TrainerSettings:
        settings = validate(made, with_one_length(options or {}, file), underscored, SYNONYMS)
        odd = [name for name in names if name not in _WITH_RESUME]
        if settings.resume is not None and odd:
            raise CommandError(f"--{odd[0]}: does not go with --resume, a run keeps the settings that it started with")
        return settings

    names_of_all = {name.removeprefix("--") for name in flags_of(made, underscored)}
    shown = names_of_all if HELP_ALL in words else FREQUENT | _of_presets(family)
    train.__annotations__["options"] = options_of(
        made,
        underscored,
        names=SECOND_FLAGS,
        metavars={"resume": "RUN"},
        values=_values(made, look, file) if _HELP & set(words) else {},
        hidden=names_of_all - shown,
    )
    return train


def _of_presets(family: TaskFamily | None) -> set[str]:
    """The data settings that a family's presets choose; all of them if they choose none."""
    if family is None:
        return set()
    names = {name for preset in family.presets.values() for name in (*preset.data, *preset.tied)}
    return {f"data.{name}" for name in names or {*family.options.model_fields, *family.augmentation.model_fields}}


def _values(made: type[TrainerSettings], look: Mapping[str, Any], file: dict[str, Any]) -> dict[str, Any]:
    """The values of all settings, by full name, if nothing else is given than what `look` and `file` hold.

    Without a device, a value that depends on it is a sentence about both kinds: to look for a GPU takes time.
    """
    given = {name: look[name] for name in ("dataset", "preset", "device", "data_path") if look.get(name)}
    settings = with_one_length(given, file)
    device = settings.get("device", "auto")
    kinds = ("cpu", "gpu") if device == "auto" else (device, device)
    on_cpu, on_gpu = (
        dict(leaves(validate(made, {**settings, "device": kind}, underscored, SYNONYMS).model_dump())) for kind in kinds
    )
    values = {
        name: value if value == on_gpu[name] else f"{value} on a CPU, {on_gpu[name]} on a GPU"
        for name, value in on_cpu.items()
    }
    return {**values, "device": device, "train.epochs" if not values["train.epochs"] else "train.steps": None}


def _look_ahead(words: Sequence[str]) -> dict[str, Any]:
    """The options that decide which other options exist."""

    def look(
        *, dataset: str = "", data_path: str = "", config: str = "", preset: str = "", device: str = ""
    ) -> None: ...

    app = application("trainer", help_flags=[])
    app.default(look)
    try:
        _, bound, *_ = app.parse_known_args(words)
    except CycloptsError:  # the whole command line is read next, and names the mistake
        return {}
    return bound.arguments


def _setting_names(words: Sequence[str]) -> list[str]:
    """The full names of the settings that flags on the command line set."""
    flags = [word.split("=")[0] for word in words if word.startswith("--")]
    names = [flag.removeprefix("--").removeprefix("no-").replace("-", "_") for flag in flags]
    return [name for name in names if name not in ("help", "help_all", "version")]


def _refuse_puzzles(data_path: Any, family: TaskFamily | None, names: Sequence[str], where: str) -> None:
    """Refuse settings that choose puzzles where the puzzles exist already."""
    allowed = family.augmentation.model_fields if family else {}
    odd = [name for name in names if name.startswith("data.") and name.split(".")[1] not in allowed]
    if odd:
        raise CommandError(f"{where}{odd[0]}: does not go with data_path {data_path}, whose puzzles are made already")


def _complete_resume(words: Sequence[str]) -> list[str]:
    """Give a bare --resume its value, the newest run."""
    completed = []
    for word, after in zip(words, (*words, "-")[1:], strict=True):
        completed += ["--resume", NEWEST] if word == "--resume" and after.startswith("-") else [word]
    return completed
