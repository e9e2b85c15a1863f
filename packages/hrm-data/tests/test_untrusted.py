"""What others wrote is read within bounds, and cannot make a message long or steer a terminal."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hrm_data import HRMDataError
from hrm_data.terminal import PlainConsole
from hrm_data.untrusted import DEPTH, MESSAGE, QUOTED, parse_json, parse_yaml, printable, quoted, read_bytes, shortened
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(JSON)
def test_json_is_read_as_python_reads_it(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert parse_json(text) == parse_json(text.encode()) == value


@given(st.text() | st.binary())
def test_any_other_text_is_a_value_error(text: str | bytes) -> None:
    for parse in (parse_json, parse_yaml):
        if isinstance(text, str) or parse is parse_json:
            try:
                parse(text)  # type: ignore[operator]
            except ValueError as error:
                assert len(str(error)) < 2 * QUOTED + 200  # noqa: PT017 (not every text is wrong)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', "names 'a' twice"),
        ('[{"b": {"a": 1, "c": 0, "a": 1}}]', "names 'a' twice"),
        ("[" * (DEPTH + 1) + "]" * (DEPTH + 1), "more than 64 levels"),
        ("[" * 10**6, "more than"),
        ("[NaN]", "NaN"),
        ("[-Infinity]", "Infinity"),
        ("[1e400]", "too large"),
        ('["\\ud800"]', "half of a surrogate"),
        ('{"\\udc00": 1}', "half of a surrogate"),
        ("[" + "1," * 2**20 + "1]", "more than 1,048,576 values"),
        ("[" + "{}," * 2**20 + "{}]", "more than 1,048,576 values"),
        ('{"' + "a" * 10**6 + '": 1, "' + "a" * 10**6 + '": 2}', "twice"),
    ],
)
def test_json_out_of_bounds_or_with_two_meanings_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_json(text)
    assert len(str(caught.value)) < QUOTED + 100


def test_commas_and_brackets_in_strings_are_no_values() -> None:
    text = json.dumps(["[,{" * 10**6, '\\"[,' * 10**5])
    assert parse_json(text, 3) == json.loads(text)


@pytest.mark.parametrize("part", ["[],", "{},", '"a",', "[[[[[]]]]],", '{"a":{"b":[]}},'])
def test_refused_json_takes_little_more_memory_than_its_text(part: str) -> None:
    text = ("[" + part * (2**23 // len(part)) + "1]").encode()
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than"):
        parse_json(text, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x [1]\nb: *x\n", "uses the alias x"),
        ("a: !!python/name:os.system\n", "uses the tag"),
        ("a: !!timestamp x\n", "uses the tag"),
        ("a: 1\nb: 2\na: 3\n", "line 3 names 'a' twice"),
        ("c: {a: 1, a: 2}\n", "line 1 names 'a' twice"),
        ("[" * 100_000, "more than 64 levels"),
        ("{a: " * 100_000, "more than 64 levels"),
        ("- " * 100_000, "more than 64 levels"),
        ("a: [", "parsing|expected"),
        ("? {a: 1}\n: 2\n", "unhashable"),
    ],
)
def test_yaml_out_of_bounds_or_with_two_meanings_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_yaml(text)


def test_yaml_is_read_with_and_without_types() -> None:
    text = "a: 1\nb: [x, 2.5, null]\nc: {d: yes}\n"
    assert parse_yaml(text) == {"a": 1, "b": ["x", 2.5, None], "c": {"d": True}}
    assert parse_yaml(text, typed=False) == {"a": "1", "b": ["x", "2.5", "null"], "c": {"d": "yes"}}
    assert parse_yaml("") is None


@given(st.text())
def test_what_is_printed_is_printable_and_printable_text_stays(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


@given(JSON | st.text() | st.integers(10**5000, 10**5001))
def test_a_quoted_value_is_short_and_printable(value: Any) -> None:
    for made in (quoted(value), shortened(value)):
        assert made.isprintable()
        assert len(made) <= QUOTED


def test_quoting_takes_no_time_however_large_or_entangled_a_value_is() -> None:
    value: Any = "x"
    for _ in range(10**4):
        value = [value] * 9
    assert len(quoted(value)) <= QUOTED
    loop: list[Any] = []
    loop.append(loop)
    assert len(quoted(loop)) <= QUOTED


@given(st.text())
def test_an_error_can_be_printed(name: str) -> None:
    text = str(HRMDataError(f"file {name}: is wrong; correct it"))
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text) < MESSAGE + 10


def test_a_long_error_keeps_its_beginning_and_its_remedy() -> None:
    text = str(HRMDataError(f"file: {'x' * 70_000}; correct it"))
    assert len(text) < MESSAGE + 10
    assert text.startswith("file: x")
    assert text.endswith("; correct it")


@given(st.text(min_size=1))
def test_a_console_shows_text_as_it_is_and_obeys_nothing(text: str) -> None:
    stream = io.StringIO()
    console = PlainConsole(file=stream, force_terminal=True, width=10**6, color_system=None)
    table = Table(show_header=False, box=None)
    table.add_row(text)
    console.print(text, soft_wrap=True)
    console.print(table)
    for line in stream.getvalue().split("\n"):
        assert line.isprintable()
    assert "\n".join(map(printable, text.split("\n"))) in stream.getvalue()


@pytest.mark.parametrize("text", ["run [old]", "[/x]", "[bold]a", ":smile:", "\\[a]", "\x1b[31mred", "a\x07b"])
def test_markup_emoji_and_escapes_are_text(text: str) -> None:
    stream = io.StringIO()
    PlainConsole(file=stream, force_terminal=True, width=80).print(text)
    assert stream.getvalue() == printable(text) + "\n"


def test_a_file_is_read_up_to_its_bound(tmp_path: Any) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(ValueError, match="more than 4 bytes"):
        read_bytes(tmp_path / "a", 4)
