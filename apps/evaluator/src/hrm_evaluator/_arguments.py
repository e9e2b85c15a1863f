"""Reads settings from a command line: options in titled groups, mistakes as one sentence."""

import re
import sys
from argparse import ArgumentParser, HelpFormatter, Namespace
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import quote, unquote

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, CliApp, CliSettingsSource, SettingsConfigDict

from hrm_evaluator._errors import UserError

Settings = TypeVar("Settings", bound="CommandLine")
_NEGATIVE_NUMBER = re.compile(r"-\d*\.?\d+$")
_NONE = "\0"  # no argument of a process can be this, so no text of a user's is taken for None


def _shielded(word: str) -> str:
    """Return a word without commas, brackets and quotes, at which pydantic-settings would take it apart."""
    return "=" + quote(word, safe="", errors="surrogateescape")


def _unshielded(word: str) -> str:
    return unquote(word.removeprefix("="), errors="surrogateescape")


Words = list[Annotated[str, BeforeValidator(_unshielded)]]
"""Any number of words, each as it was written."""


class CommandLine(BaseSettings):
    """Settings that come from the command line alone, never from the environment."""

    model_config = SettingsConfigDict(
        frozen=True, cli_kebab_case=True, cli_implicit_flags="toggle", cli_parse_none_str=_NONE
    )

    @classmethod
    def settings_customise_sources(cls, *args: Any, **sources: Any) -> tuple[Any, ...]:
        """Take nothing from environment variables, which may well be called RUNS or LIMIT."""
        return (sources["init_settings"],)


def parse(settings: type[Settings], argv: Sequence[str] | None, prog: str, usage: str) -> Settings:
    """Read settings from arguments (``None`` for the process's own).

    A field's ``json_schema_extra`` may give ``group``, its title in the help, and ``metavar``.

    Raises:
        UserError: An option or a value is wrong; the message names it and what is allowed.
    """
    parser = _Parser(prog=prog, usage=usage, description=settings.__doc__, formatter_class=_Help, allow_abbrev=False)
    source: CliSettingsSource[Any] = CliSettingsSource(
        settings,
        root_parser=parser,
        add_argument_method=_adder(settings),
        add_subparsers_method=lambda parent, **_: parent.add_subparsers(
            prog=prog, title="commands", dest=":subcommand", metavar=""
        ),
        formatter_class=_Help,
    )
    try:
        return CliApp.run(settings, cli_args=None if argv is None else list(argv), cli_settings_source=source)
    except ValidationError as error:
        raise UserError("; ".join(_complaint(item) for item in error.errors())) from None


class _Help(HelpFormatter):
    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=22, **options)


class _Parser(ArgumentParser):
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Namespace, list[str]]:  # type: ignore[override]
        args = sys.argv[1:] if args is None else list(args)
        self._refuse_unknown(args)  # first, or argparse takes the value of a misspelt option for a command
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{unknown[0]!r} is one argument too many")
        return found, unknown

    def _refuse_unknown(self, args: Sequence[str]) -> None:
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        for arg in takewhile(lambda arg: arg not in ("--", *self.commands), args):
            name = arg.split("=")[0]
            is_option = name.startswith("-") and name != "-" and not _NEGATIVE_NUMBER.match(name)
            if is_option and name not in self._option_string_actions:
                close = get_close_matches(name, flags, n=1)
                hint = f"did you mean {close[0]}?" if close else f"options are {', '.join(sorted(flags))}"
                self.error(f"{name} is not known; {hint}")

    @property
    def commands(self) -> list[str]:
        """Names of the subcommands."""
        return [name for action in self._actions if isinstance(action.choices, dict) for name in action.choices]

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def _adder(settings: type[BaseModel]) -> Any:
    """Return an ``add_argument`` that sorts options into groups."""
    groups: dict[tuple[int, str], Any] = {}

    def add(parser: ArgumentParser, *names: str, **options: Any) -> Any:
        extra = _extra(_field(settings, options.get("dest", names[0]).split(".")))
        options["help"] = (
            options["help"]
            .replace(f" (default: {_NONE})", "")
            .replace(" (default: False)", "")
            .replace(" (default: [])", "")
        )
        if options.get("nargs") and not names[0].startswith("-"):
            options["type"] = _shielded
        if "metavar" in extra and "metavar" in options:
            options["metavar"] = extra["metavar"]
        if "group" not in extra:
            return parser.add_argument(*names, **options)
        key = (id(parser), extra["group"])
        if key not in groups:
            groups[key] = parser.add_argument_group(extra["group"])
        return groups[key].add_argument(*names, **options)

    return add


def _field(settings: Any, path: Sequence[str | int]) -> FieldInfo:
    """Return the field at a path of names through the models of subcommands."""
    field: FieldInfo = next(f for name, f in settings.model_fields.items() if path[0] in (name, f.alias))
    if len(path) == 1:
        return field
    inner = next(a for a in getattr(field.annotation, "__args__", (field.annotation,)) if hasattr(a, "model_fields"))
    return _field(inner, path[1:])


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _complaint(item: Any) -> str:
    name = str(item["loc"][-1])
    message = item["msg"][0].lower() + item["msg"][1:]
    return f"--{name.replace('_', '-')} {item['input']!r}: {message}"
