"""Reads a command line into a pydantic model: mistakes become one sentence that names the flag."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, CliApp, CliSettingsSource, SettingsConfigDict, SettingsError

from hrm_data._errors import HRMDataError

Settings = TypeVar("Settings", bound="CommandLine")
_METAVARS = {
    "int": "N",
    "float": "X",
    "Path": "PATH",
    "str": "TEXT",
    "tuple[int,int]": "N,N",
    "{int,tuple[int,int]}": "N or N,N",
    "tuple[Path,...]": "PATH,...",
}


class CommandLine(BaseSettings):
    """Settings that come from the command line alone, never from the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(cls, *args: Any, **sources: Any) -> tuple[Any, ...]:
        """Take nothing from environment variables."""
        return (sources["init_settings"],)


def parse(settings: type[Settings], argv: Sequence[str], prog: str, usage: str) -> Settings:
    """Read settings from arguments; in flags `-` and `_` are the same.

    Raises:
        HRMDataError: A flag or a value is wrong; the message names it and what is allowed.
    """
    words = [_spelt(word) for word in argv]
    parser = _Parser(prog=prog, usage=usage, description=settings.__doc__, formatter_class=_Help, allow_abbrev=False)
    source: CliSettingsSource[Any] = CliSettingsSource(
        settings,
        root_parser=parser,
        cli_prog_name=prog,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
        cli_kebab_case=True,
        formatter_class=_Help,
    )
    try:
        return CliApp.run(settings, cli_args=words, cli_settings_source=source)
    except ValidationError as error:
        positional = {action.dest for action in parser._actions if not action.option_strings}
        raise HRMDataError("; ".join(describe(error, positional))) from None
    except SettingsError as error:
        raise HRMDataError(str(error)) from None


def describe(error: ValidationError, positional: set[str]) -> list[str]:
    """One sentence for every wrong field: its flag, its value, and what is allowed."""
    lines: dict[str, str] = {}
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else ""
        flag = name.upper() if name in positional else f"--{name.replace('_', '-')}"
        value, problem = item["input"], item["msg"].removeprefix("Value error, ")
        if isinstance(value, list | tuple):
            value = ",".join(str(part) for part in value)
        if not name:  # several fields that do not go together
            lines[""] = problem
        elif item["type"] == "missing":
            lines[flag] = f"{flag} is missing"
        else:
            lines.setdefault(flag, f"{flag} {value}: {problem[0].lower()}{problem[1:]}")
    return list(lines.values())


def _spelt(word: str) -> str:
    if not word.startswith("--"):
        return word
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=30, width=100)


class _Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        for action in self._actions:
            if isinstance(action.metavar, str):
                name = action.metavar if action.option_strings else action.dest.upper()
                action.metavar = _METAVARS.get(name, name)
            if action.help:
                action.help = (
                    action.help.replace(" (default: None)", "").replace(" (default: ())", "").replace(" (required)", "")
                )
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = unknown.split()[0]
            flags = [flag for action in self._actions for flag in action.option_strings]
            near = get_close_matches(word.split("=")[0], flags, n=1)
            hint = f"; did you mean {near[0]}?" if near and word.startswith("-") else ""
            message = f"{word} is not known{hint}" if word.startswith("-") else f"{word!r} is one argument too many"
        raise HRMDataError(f"{message} (see {self.prog} --help)")


def fields_of(model: type[BaseModel], settings: BaseModel) -> dict[str, Any]:
    """The values of those settings that are fields of `model`."""
    return {name: getattr(settings, name) for name in model.model_fields}
