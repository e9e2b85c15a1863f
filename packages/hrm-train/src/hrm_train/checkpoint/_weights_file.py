"""Weights in a file, of which the largest need not be in memory as a whole."""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import mlx.core as mx
import numpy as np

Shape = tuple[int, ...]


def write_weights(
    path: Path, arrays: Mapping[str, tuple[Shape, Iterable[mx.array]]], metadata: Mapping[str, str]
) -> None:
    """Write float32 arrays as safetensors, as ``mx.save_safetensors`` does, but part by part.

    No array is computed here, so that it may be done in another thread.

    Args:
        path: The file.
        arrays: By name the shape of each, and the parts that give it when they are joined along the first axis.
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
    text = text.ljust(-(-len(text) // 8) * 8)  # numbers begin at multiples of eight bytes
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, parts in arrays.values():
            for part in parts:
                file.write(np.ascontiguousarray(part, "<f4").data)
