"""Bytes of a puzzle file as lines: encodings, line ends, and lines too long to be read."""

import codecs
import re
from collections.abc import Callable, Iterator

from hrm_data.sources import encoding_of

LONGEST = 1 << 24
"""The most characters of a line, or of a JSON or XML document."""
_CHUNK = 1 << 16
_END = re.compile("\r\n|\r|\n")


def decode_lines(read: Callable[[int], bytes]) -> Iterator[str | None]:
    """Yield lines as soon as they are complete, and None for one with more than `LONGEST` characters.

    Text is UTF-8 or UTF-16; what is neither becomes U+FFFD.

    Args:
        read: Returns the available bytes, at most so many, and none at the end.
    """
    decoder: codecs.IncrementalDecoder | None = None
    head = b""
    pieces: list[str] = []
    length = 0
    was_return = False
    is_open = True
    while is_open:
        data = head + read(_CHUNK)
        is_open = len(data) > len(head)
        if decoder is None:
            if is_open and len(data) < 2:
                head = data
                continue
            head = b""
            decoder = codecs.getincrementaldecoder(encoding_of(data))(errors="replace")
        text = decoder.decode(data, final=not is_open)
        if text and was_return:
            text = text.removeprefix("\n")
        was_return = text.endswith("\r") if text else was_return
        first, *others = _END.split(text)
        for is_next, piece in enumerate([first, *others]):
            if is_next:
                yield "".join(pieces) if length <= LONGEST else None
                pieces, length = [], 0
            length += len(piece)
            if length <= LONGEST:
                pieces.append(piece)
            else:
                pieces.clear()
    if length:
        yield "".join(pieces) if length <= LONGEST else None
