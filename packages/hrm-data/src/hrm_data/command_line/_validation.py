"""Checks what was asked for against a pydantic model: one sentence for every wrong value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from hrm_data.command_line._exit import CommandError
from hrm_data.command_line._options import Spelling, bare_type, dashed, holds_list
from hrm_data.untrusted import QUOTED, message, shortened

Settings = TypeVar("Settings", bound=BaseModel)
Synonyms: TypeAlias = Mapping[str, Sequence[str]]
NO_SYNONYMS: Synonyms = {}
_ALIKE = 0.75  # similarity of last parts that are taken for the same


def validate(
    model: type[Settings],
    values: Mapping[str, Any],
    spelling: Spelling = dashed,
    synonyms: Synonyms = NO_SYNONYMS,
) -> Settings:
    """Return the settings that the values of flags and files make; text with commas is split where a list is meant.

    Args:
        model: The settings.
        values: Their values, nested as the models are.
        spelling: How names are written in flags.
        synonyms: See `suggestion`.

    Raises:
        CommandError: A value is wrong or missing; the message names flag, value and what is allowed.
    """
    try:
        return model.model_validate(_split(model, values))
    except ValidationError as error:
        raise CommandError("\n".join(describe(error, flags_of(model, spelling), spelling, synonyms))) from None


def describe(
    error: ValidationError,
    flags: Iterable[str] = (),
    spelling: Spelling = dashed,
    synonyms: Synonyms = NO_SYNONYMS,
) -> list[str]:
    """One sentence for every wrong field: its flag, its value, and what is allowed.

    Args:
        error: From a model whose fields are settings.
        flags: The flags that exist, to suggest one where a setting is unknown.
        spelling: How names are written in flags.
        synonyms: See `suggestion`.
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
            lines[flag] = f"{flag} {value}: there is no such setting{suggestion(flag, flags, synonyms)}"
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


def suggestion(unknown: str, known: Iterable[str], synonyms: Synonyms = NO_SYNONYMS) -> str:
    """A hint at the words that were probably meant, or nothing.

    These are the known words with the same last part (`--lr` is `--train.lr`), else those that the synonyms name, else
    one that is spelled alike.

    Args:
        unknown: What was written.
        known: The words that exist, such as all flags.
        synonyms: Other names of settings, without dashes and in lower case: `{"batch_size": ["global_batch_size"]}`.
    """
    by_part: dict[str, list[str]] = {}
    for word in known:
        by_part.setdefault(_last_part(word), []).append(word)

    def named(part: str) -> list[str]:
        return [word for name in (part, *synonyms.get(part, ())) for word in by_part.get(_last_part(name), [])]

    asked = _last_part(unknown[:QUOTED])
    meant = named(asked)
    if not meant:
        alike = get_close_matches(asked, [*by_part, *synonyms], n=1, cutoff=_ALIKE)
        meant = named(alike[0]) if alike else []
    if not meant:
        meant = get_close_matches(unknown[:QUOTED], [word for words in by_part.values() for word in words], n=1)
    return f"; did you mean {' or '.join(dict.fromkeys(meant))}?" if meant else ""


def _last_part(word: str) -> str:
    """The name at the end of a flag, whatever its spelling: that of `--train.LR=1` is `lr`."""
    return word.split("=")[0].split(".")[-1].lstrip("-").replace("-", "_").lower()


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
