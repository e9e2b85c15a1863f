"""Writes a weights file array by array and part by part, so that a large array is never whole in memory."""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import mlx.core as mx
import numpy as np

Shape = tuple[int, ...]


def write_weights(
    path: Path, arrays: Mapping[str, tuple[Shape, Iterable[mx.array | np.ndarray]]], metadata: Mapping[str, str]
) -> None:
    """Write float32 arrays as safetensors, as `mx.save_safetensors` does, but part by part.

    Any thread may call this: it computes no array.

    Args:
        path: The file.
        arrays: By name, the shape of each array, and its parts along the first axis.
        metadata: Texts by name.

    Raises:
        OSError: If it cannot be written.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, (shape, _) in arrays.items():
        start, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # arrays begin at multiples of eight bytes
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, parts in arrays.values():
            for part in parts:
                file.write(np.ascontiguousarray(part, "<f4").data)
