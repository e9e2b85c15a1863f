"""Makes the options of a command from a pydantic model."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypedDict, Union, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

Spelling: TypeAlias = Callable[[str], str]
"""How the name of a setting is written in a flag."""

COMMANDS = Group.create_ordered("commands")  # sections of a help, in this order
ARGUMENTS = Group.create_ordered("arguments")
OPTIONS = Group.create_ordered("options")

_METAVARS = {
    "int": "N",
    "float": "X",
    "Path": "PATH",
    "str": "TEXT",
    "tuple[int, int]": "N,N",
    "int | tuple[int, int]": "N or N,N",
    "tuple[Path, ...]": "PATH,...",
}


def dashed(name: str) -> str:
    """Write `data_path` as `data-path`."""
    return name.replace("_", "-")


def underscored(name: str) -> str:
    """Write `data_path` as it is."""
    return name


def options_of(
    model: type[BaseModel],
    spelling: Spelling = dashed,
    *,
    names: Mapping[str, str] | None = None,
    metavars: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
    hidden: Collection[str] = (),
) -> Any:
    """Return an annotation for a parameter of a cyclopts command: its value is a dictionary of the options given.

    Every field becomes a flag with its description, choices and default; a field that is a model itself becomes a group
    of flags such as `--train.lr`. Values stay text (flags without a value become `bool`): `validate` then checks them
    as it checks the values of a file. On the command line `-` and `_` are the same.

    A field's `json_schema_extra` may hold `group`, the title under which the help lists it, and `metavar`.

    Args:
        model: The settings.
        spelling: How names are written in flags.
        names: More flags for a setting, by its full name: `{"train.keep_checkpoints": "--keep"}`.
        metavars: Placeholders for values, by the full name of the setting.
        values: What the help shows in the place of the defaults, by the full name of the setting; None shows nothing.
        hidden: Full names of settings that the help leaves out.
    """
    made = _Options(spelling, names or {}, metavars or {}, values or {}, hidden).dictionary(model)
    return Annotated[made, Parameter(name="*")]


class _Options:
    def __init__(
        self,
        spelling: Spelling,
        names: Mapping[str, str],
        metavars: Mapping[str, str],
        values: Mapping[str, Any],
        hidden: Collection[str],
    ) -> None:
        self._spelling, self._names, self._metavars = spelling, names, metavars
        self._values, self._hidden = values, hidden
        self._groups = {"options": OPTIONS}

    def dictionary(self, model: type[BaseModel], prefix: str = "", title: str = "options") -> Any:
        fields: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            full, inner = prefix + name, bare_type(field)
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                if not inner.model_fields:
                    continue
                made = self.dictionary(inner, f"{full}.", f"{full} options")
                fields[name] = Annotated[made, Parameter(name=f"--{self._spelling(full)}")]
            else:
                fields[name] = self._option(full, field, inner, title)
        make: Any = TypedDict  # mypy knows only dictionaries that are written out
        options = make("Options", fields, total=False)
        # cyclopts lets pydantic check the dictionary by itself, on Python 3.12 and newer only: `validate` does that.
        options.__get_pydantic_core_schema__ = _anything
        return options

    def _option(self, full: str, field: FieldInfo, inner: Any, title: str) -> Any:
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        flag, other = self._spelling(full), self._names.get(full)
        choices = get_origin(inner) is Literal
        parameter = Parameter(
            name=(f"--{flag}", *([other] if other else [])),
            negative=f"--no-{flag}" if inner is bool else (),
            help=field.description,
            group=self._group(str(extra.get("group") or title)),
            metavar=self._metavars.get(full) or str(extra.get("metavar") or "") or _metavar(inner),
            show_default=_written(self._values.get(full, field.default)) or False,
            show=full not in self._hidden,
            converter=_text if choices else None,
            allow_repeating=True,
        )
        return Annotated[inner if choices or inner is bool else str, parameter]

    def _group(self, title: str) -> Group:
        """The section of the help with this title; sections keep the order in which their options come."""
        if title not in self._groups:
            self._groups[title] = Group.create_ordered(title)
        return self._groups[title]


def _anything(_source: Any, _handler: Any) -> Any:
    return core_schema.any_schema()


def bare_type(field: FieldInfo) -> Any:
    """The type of a field without `None`."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    if not _is_union(field.annotation) or len(kinds) == len(get_args(field.annotation)):
        return field.annotation
    return kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007


def holds_list(kind: Any) -> bool:
    """Whether values of a type may be a list, which the command line writes with commas."""
    if _is_union(kind) or get_origin(kind) is Annotated:
        return any(holds_list(inner) for inner in get_args(kind))
    return (get_origin(kind) or kind) in (tuple, list)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _metavar(kind: Any) -> str | None:
    if get_origin(kind) is Literal or kind is bool:
        return None
    name = " | ".join(map(_name, get_args(kind))) if _is_union(kind) else _name(kind)
    return _METAVARS.get(name, "VALUE")


def _name(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"tuple[{', '.join('...' if part is Ellipsis else _name(part) for part in get_args(kind))}]"
    return getattr(kind, "__name__", str(kind))


def _written(value: Any) -> str:
    """A default as a user would write it; empty where there is none to show."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return "" if value is None or repr(value) == "PydanticUndefined" else str(value)


def _text(_type: Any, tokens: Any) -> str:
    """Keep the word that was typed: the model checks it."""
    return str(tokens[-1].value)
