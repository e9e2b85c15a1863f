"""Reading of safetensors files, with a check of the header before MLX allocates memory for it."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import mlx.core as mx

from hrm_model._errors import HRMModelError

_SIZES = {
    "F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4,
    "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1,
}  # fmt: skip
_LARGEST_HEADER = 100 * 10**6  # bytes, the limit of the safetensors library


def read_safetensors(path: Path) -> tuple[dict[str, mx.array], dict[str, str]]:
    """Read arrays and metadata.

    Returns:
        Arrays by name, not yet evaluated, and the metadata.

    Raises:
        HRMModelError: If the file is missing, or its header is damaged or claims more bytes than the file has.
    """
    try:
        _check_header(path)
        loaded: Any = mx.load(str(path), format="safetensors", return_metadata=True)
    except HRMModelError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, RecursionError) as error:
        raise HRMModelError(f"{path}: cannot be read as safetensors ({error}); choose another checkpoint") from error
    arrays, metadata = loaded
    return arrays, metadata


def _check_header(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _LARGEST_HEADER):
            raise ValueError("it is truncated or not a safetensors file")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    data = size - 8 - length
    taken = 0
    for name, entry in header.items():
        if name == "__metadata__":
            if entry is not None and not (
                isinstance(entry, dict) and all(isinstance(text, str) for text in entry.values())
            ):
                raise ValueError("its metadata is not a dictionary of strings")
            continue
        match entry:
            case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start_at), int(end)]} if (
                dtype in _SIZES and all(type(n) is int and 0 <= n < 2**31 for n in shape)
            ):
                expected = math.prod(shape) * _SIZES[dtype]
            case _:
                raise ValueError(f"its entry {name[:200]!r} has no known dtype, shape and offsets")
        if not 0 <= start_at <= end <= data or end - start_at != expected:
            raise ValueError(
                f"its entry {name[:200]!r} of {dtype} {shape[:16]} claims bytes {start_at} to {end} of {data}"
            )
        taken += expected
    if taken > data:
        raise ValueError(f"its arrays overlap: they claim {taken:,} bytes of {data:,}")
