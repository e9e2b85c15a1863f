"""Rows on disk, written once and read in pieces, so that memory does not bound their number."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

_BLOCK = 1 << 14  # rows read at once


class Spool:
    """An array `[rows, width]` in a nameless temporary file beside the output, deleted at the latest with the process.

    `append` adds rows at the end. A slice, or rising row numbers, reads rows into memory.
    """

    ndim = 2

    def __init__(self, width: int, folder: Path, dtype: type[np.generic] = np.uint8) -> None:
        self.dtype = np.dtype(dtype)
        self._width = width
        self._size = width * self.dtype.itemsize
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".spool.")  # noqa: SIM115 - closed by `__exit__`
        self._rows = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows so far, and the width."""
        return self._rows, self._width

    def __len__(self) -> int:
        return self._rows

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def append(self, rows: np.ndarray) -> None:
        """Add rows `[k, width]`."""
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        self._rows += len(rows)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        """Rows `[k, width]` of a slice without step, or of rising row numbers."""
        if isinstance(which, slice):
            start, stop, _ = which.indices(self._rows)
            return self._read(start, max(stop - start, 0))
        parts = [np.zeros((0, self._width), self.dtype)]
        for start in range(0, len(which), _BLOCK):
            numbers = which[start : start + _BLOCK]
            span = int(numbers[-1] - numbers[0]) + 1
            if span <= 8 * len(numbers):
                parts.append(self._read(int(numbers[0]), span)[numbers - numbers[0]])
            else:
                parts.extend(self._read(number, 1) for number in numbers.tolist())
        return np.concatenate(parts)

    def _read(self, start: int, count: int) -> np.ndarray:
        data = bytearray(count * self._size)
        self._file.seek(start * self._size)
        if self._file.readinto(data) != len(data):
            raise EOFError(f"spooled rows {start} to {start + count} are cut short")
        return np.frombuffer(data, self.dtype).reshape(count, self._width)


class Chosen:
    """Some columns of some rows of a `Spool`, as an array that is read in slices."""

    ndim = 2

    def __init__(self, spool: Spool, numbers: np.ndarray, columns: slice, add: int = 0) -> None:
        self.dtype = spool.dtype
        self.shape = (len(numbers), len(range(*columns.indices(spool.shape[1]))))
        self._spool, self._numbers, self._columns, self._add = spool, numbers, columns, self.dtype.type(add)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: slice) -> np.ndarray:
        rows: np.ndarray = self._spool[self._numbers[which]][:, self._columns] + self._add
        return rows
