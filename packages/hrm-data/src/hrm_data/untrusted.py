"""Text, JSON and YAML that others wrote: bounded when they are read, escaped and short when they are quoted.

hrm-data and hrm-model import nothing of each other, so both hold this file; a test keeps the two copies equal.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import AfterValidator  # slow to import: a command handles signals only after its first imports

QUOTED = 200
"""The most characters of a value in a message: a hostile name may have millions."""
MESSAGE = 2000
"""The most characters of a message."""
DEPTH = 64
"""The deepest nesting of JSON and YAML: what walks through the value calls itself for every level."""

_OPENING = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{,]', re.DOTALL)
_HALVES = re.compile(rb"\\u[dD][89a-fA-F]")
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = QUOTED
_brief.maxlevel, _brief.maxlong = 3, 40


def printable(text: str) -> str:
    r"""Return a text with everything that a terminal may obey written as `\x1b`; spaces and printable characters stay.

    Escaped are control characters, line ends, marks that change the direction of text, and lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quoted(value: object) -> str:
    """Return how Python writes a value, printable and in at most 200 characters, however large or deep it is."""
    try:
        text = printable(_brief.repr(value))
    except ValueError:  # Python refuses to write integers of thousands of digits
        text = "a number of very many digits"
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."


def shortened(value: object) -> str:
    """Return a text as it is, any other value as Python writes it; printable and in at most 200 characters."""
    if isinstance(value, dict | list | tuple | int):
        return quoted(value)
    cut = str(value)[: QUOTED + 1]
    made = printable(cut)
    return made if len(made) <= QUOTED else f"{made[: QUOTED - 3]}..."


def message(text: object) -> str:
    """Return the text of an error that may quote what others wrote: printable, and cut in the middle if too long."""
    said = "\n".join(map(printable, str(text).split("\n")))
    half = MESSAGE // 2
    return said if len(said) <= MESSAGE else f"{said[:half]} ... {said[-half:]}"


def at_most(limit: float, why: str) -> AfterValidator:
    """Return the annotation of a setting that has an upper bound; None passes.

    Args:
        limit: The largest number that is allowed.
        why: What the bound protects, as in "should be at most 16, which bounds the memory of a step".
    """
    from pydantic import AfterValidator

    def check(value: Any) -> Any:
        if value is not None and value > limit:
            raise ValueError(f"should be at most {limit:,}, which {why}")
        return value

    return AfterValidator(check)


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a file.

    Raises:
        ValueError: It has more than `most` bytes.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes, which bounds the memory that reading takes")
    return content


def parse_json(content: bytes | str, values: int = 1 << 20) -> Any:
    """Return the value of a JSON text, as `json.loads` does, but within bounds and without ambiguities.

    Args:
        content: The text, UTF-8 if it is bytes.
        values: The most values in it; a value takes up to some hundred bytes of memory, however short its text is.

    Raises:
        ValueError: It is no JSON, has more values or is nested more deeply than allowed, names a key twice in an
            object, or holds a number that is not finite or half of a character.
    """
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if data.count(b",") + data.count(b"[") + data.count(b"{") >= values:  # an upper bound, quickly counted
        found = (match for match in _OPENING.finditer(data) if match[0][:1] != b'"')  # outside strings
        if next(islice(found, values, None), None):
            raise ValueError(f"it has more than {values:,} values, which bounds the memory that reading takes")
    try:
        value = json.loads(
            data.decode("utf-8", "surrogatepass" if isinstance(content, str) else "strict"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_number,
        )
    except RecursionError:
        raise ValueError(_too_deep()) from None
    _check_depth(value)
    if _HALVES.search(data):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half of a surrogate pair, which is no character") from None
    return value


def parse_yaml(text: str, *, typed: bool = True) -> Any:
    """Return the value of a YAML text: mappings, lists and scalars; without `typed` all scalars are strings.

    Raises:
        ValueError: It is no YAML, is nested too deeply, uses aliases or tags, or names a key twice in a mapping.
    """
    import yaml  # slow to import, and seldom needed

    try:
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):  # one by one, so that a hostile text is not read to its end
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH:
                raise ValueError(_too_deep())
            if isinstance(event, yaml.AliasEvent):  # some hundred bytes of nested aliases make gigabytes
                raise ValueError(f"it uses the alias {shortened(event.anchor)}; write the value out")
            if (tag := getattr(event, "tag", None)) is not None:
                raise ValueError(f"it uses the tag {shortened(tag)}; write the value without it")
        loader = (yaml.SafeLoader if typed else yaml.BaseLoader)(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_twice(node)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(shortened(" ".join(str(error).split()))) from None
    except (RecursionError, OverflowError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(shortened(error)) from None


def _refuse_twice(node: Any) -> None:
    parts = [node]
    while parts:
        part = parts.pop()
        if not isinstance(part.value, list):
            continue
        pairs = [pair for pair in part.value if isinstance(pair, tuple)]
        keys = [key for key, _ in pairs if isinstance(key.value, str)]
        again = _second([key.value for key in keys])
        if again is not None:
            line = [key.start_mark.line for key in keys if key.value == again][1]
            raise ValueError(f"line {line + 1} names {quoted(again)} twice; remove one of them")
        parts += [inner for pair in pairs for inner in pair] if pairs else part.value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError(
            f"it names {quoted(_second([key for key, _ in pairs]))} twice in one object; remove one of them"
        )
    return made


def _second(names: list[str]) -> str | None:
    """The first name that stands in a list twice."""
    counts = Counter(names)
    return next((name for name in names if counts[name] > 1), None)


def _constant(name: str) -> float:
    raise ValueError(f"it holds {name}, which is no number of JSON")


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {shortened(text)} is too large")
    return number


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [part for part in level if isinstance(part, dict | list)]:
        depth += 1
        if depth > DEPTH:
            raise ValueError(_too_deep())
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]


def _too_deep() -> str:
    return f"it is nested more than {DEPTH} levels deep"
