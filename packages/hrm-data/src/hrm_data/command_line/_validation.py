"""Checks what was asked for against a pydantic model: one sentence for every wrong value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hrm_data.command_line._exit import CommandError
from hrm_data.command_line._options import Spelling, bare_type, dashed, holds_list
from hrm_data.untrusted import QUOTED, message, shortened

Settings = TypeVar("Settings", bound=BaseModel)


def validate(model: type[Settings], values: Mapping[str, Any], spelling: Spelling = dashed) -> Settings:
    """Return the settings that the values of flags and files make; text with commas is split where a list is meant.

    Raises:
        CommandError: A value is wrong or missing; the message names flag, value and what is allowed.
    """
    try:
        return model.model_validate(_split(model, values))
    except ValidationError as error:
        raise CommandError("\n".join(describe(error, flags_of(model, spelling), spelling))) from None


def describe(error: ValidationError, flags: Iterable[str] = (), spelling: Spelling = dashed) -> list[str]:
    """One sentence for every wrong field: its flag, its value, and what is allowed.

    Args:
        error: From a model whose fields are settings.
        flags: The flags that exist, to suggest one where a setting is unknown.
        spelling: How names are written in flags.
    """
    lines: dict[str, str] = {}
    for item in error.errors():
        names = [str(part) for part in item["loc"] if isinstance(part, str)][:2]  # deeper parts name a union's branches
        if len(names) == 2 and flags and not any(flag.startswith(f"--{spelling(names[0])}.") for flag in flags):
            names = names[:1]
        flag, value = f"--{spelling('.'.join(names))}" if names else "", item["input"]
        problem = problem_of(item)
        if isinstance(value, list | tuple):
            value = shortened(",".join(map(shortened, value[:100])))
        value = value if isinstance(value, Mapping | BaseModel) else shortened(value)
        if item["type"] == "missing":
            lines[flag] = f"{flag} is missing"
        elif item["type"] == "extra_forbidden":
            flag, value = shortened(flag), shortened(value)
            lines[flag] = f"{flag} {value}: there is no such setting{suggestion(flag, flags)}"
        elif not flag:  # several fields that do not fit together
            lines[flag] = problem
        elif isinstance(value, Mapping | BaseModel) and item["type"] == "value_error":
            lines[flag] = f"{flag}: {problem}"
        else:
            lines.setdefault(flag, f"{flag} {shortened(value)}: {problem}")
    return list(lines.values())


def problem_of(item: Any) -> str:
    """Pydantic's message about one value, such as `should be greater than 0`."""
    text = message(item["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]


def suggestion(unknown: str, known: Iterable[str]) -> str:
    """A hint at the word that was probably meant, or nothing."""
    near = get_close_matches(unknown[:QUOTED], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def flags_of(model: type[BaseModel], spelling: Spelling = dashed, prefix: str = "") -> list[str]:
    """The flags of a model's fields, those of nested models included."""
    flags = []
    for name, field in model.model_fields.items():
        inner = bare_type(field)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            flags += flags_of(inner, spelling, f"{prefix}{name}.")
        else:
            flags.append(f"--{spelling(prefix + name)}")
    return flags


def _split(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in values.items():
        field = model.model_fields.get(name)
        inner = bare_type(field) if field is not None else None
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            read[name] = _split(inner, value)
        elif isinstance(value, str) and field is not None and holds_list(inner):
            read[name] = value.split(",")
        else:
            read[name] = value
    return read
