"""Damage to files that somebody could do by accident or on purpose, drawn by hypothesis."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
from typing import Any

from hypothesis import strategies as st

NUMBERS = (-1, 0, 1, 2**31 - 1, 2**31, 2**53, 2**63, 10**30, -(10**30), 0.5, 1e-300, 1e300, -1e300)
VALUES = (*NUMBERS, None, True, "", "x", "9" * 5000, "\x1b[31m", "[/x]", "a" * 70_000, "\x00", "../x", [], {}, [[]] * 9)
PIECES = (
    *(b"\x1b]0;x\x07", b"\xff\xfe", b"\xef\xbb\xbf", b"\\ud800", b"NaN", b"1e999", b"9" * 5000, b"[" * 2000),
    *(b"{" * 2000, b'{"a":' * 300, b"<" * 99, b"<a " * 99, b"<!--", b"&a;", b"\n" * 500, b"|" * 999, b"," * 999),
    *(b"- " * 999, b"*a", b"&a ", b"!!int ", b"? ", b"version: " + b"1" * 5000 + b" ", b"\x00" * 64, b"\xff" * 64),
)


def document(value: Any) -> st.SearchStrategy[bytes]:
    """JSON of a value in which some parts are replaced, doubled or removed."""

    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        changed = json.loads(json.dumps(value))
        for _ in range(draw(st.integers(1, 3))):
            holder, key = {"": changed}, ""
            place: Any = holder
            while isinstance(place[key], dict | list) and place[key] and draw(st.integers(0, 3)):
                place = place[key]
                key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            kind = draw(st.sampled_from(["value", "value", "remove", "add", "nest", "more"]))
            if kind == "remove" and place is not holder:
                del place[key]
            elif kind == "add" and isinstance(place, dict):
                place[draw(st.sampled_from(["x", "", "\x1b[2J", "a" * 70_000, "__metadata__", "name"]))] = place[key]
            elif kind == "more" and isinstance(place[key], list) and len(json.dumps(place[key])) < 10_000:
                place[key] = place[key] * draw(st.sampled_from([2, 50, 1000]))
            elif kind == "nest":
                place[key] = [place[key]]
            else:
                place[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
            changed = holder[""]
        text = json.dumps(changed)
        if draw(st.integers(0, 4)) == 0 and "{" in text:
            text = text.replace("{", '{"x": 1, "x": 2, ' if '"' in text else "{", 1)
        return text.encode()

    return made()


@st.composite
def bytes_of(draw: st.DrawFn, content: bytes) -> bytes:
    """A file in which bytes are changed, cut out, repeated or put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted(draw(st.tuples(*2 * (st.integers(0, len(data)),))))
        kind = draw(st.sampled_from(["change", "change", "cut", "repeat", "piece", "end"]))
        if kind == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at : min(end, at + draw(st.sampled_from([1, 8, 512, 10**6])))]
        elif kind == "repeat":
            data[at:at] = data[at : min(end, at + 4096)] * draw(st.sampled_from([1, 2, 40]))
        elif kind == "piece":
            data[at:at] = draw(st.sampled_from(PIECES))
        else:
            del data[end:]
    return bytes(data)


@st.composite
def safetensors(draw: st.DrawFn, content: bytes) -> bytes:
    """A weight file with damage to its header or its configuration, whose length is right again."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    if draw(st.booleans()) and "config" in (header.get("__metadata__") or {}):
        config = json.loads(header["__metadata__"]["config"])
        header["__metadata__"]["config"] = draw(document(config)).decode()
        text = json.dumps(header).encode()
    else:
        text = draw(st.one_of(document(header), bytes_of(content[8 : 8 + length])))
    return struct.pack("<Q", len(text)) + text + draw(st.sampled_from([data, b"", data[: len(data) // 2], data + data]))


@st.composite
def zipped(draw: st.DrawFn, content: bytes) -> bytes:
    """A zip with damage to one member, whose checksum is right again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw(st.sampled_from(sorted(members, key=lambda name: (not name.endswith(".pkl"), name))[:2]))
    members[name] = draw(bytes_of(members[name]))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()
