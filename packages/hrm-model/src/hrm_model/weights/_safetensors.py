"""Reading of safetensors files, with a check of the header before MLX allocates memory for it, and of the numbers."""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from hrm_ops import device_info

from hrm_model._errors import HRMModelError
from hrm_model.untrusted import parse_json, quoted, shortened

_SIZES = {
    "F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4,
    "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1,
}  # fmt: skip
_LARGEST_HEADER = 1 << 24  # bytes; an array takes about a hundred
_MOST_VALUES = 1 << 20  # in the header; an array takes eight
_PART = 1 << 24  # numbers that are checked at once, so that the check takes little memory


def read_safetensors(path: str | Path) -> tuple[dict[str, mx.array], dict[str, str]]:
    """Read arrays and metadata.

    Returns:
        Arrays by name, not yet evaluated, and the metadata.

    Raises:
        HRMModelError: If the file is missing, or its header is damaged or claims more bytes than the file has.
    """
    try:
        _check_header(Path(path))
        loaded: Any = mx.load(str(path), format="safetensors", return_metadata=True)
    except FileNotFoundError as error:
        raise HRMModelError(f"{path}: cannot be read, it does not exist; choose another checkpoint") from error
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise HRMModelError(
            f"{path}: cannot be read as safetensors ({shortened(error)}); choose another checkpoint"
        ) from error
    arrays, metadata = loaded
    return arrays, metadata


def refuse_not_finite(arrays: Mapping[str, mx.array], path: str | Path) -> None:
    """Read arrays, and raise if a number of one is not finite: a model would answer with what is no number.

    Raises:
        HRMModelError: With the name of the array; also if the file cannot be read to its end.
    """
    for name, array in arrays.items():
        try:
            if not mx.issubdtype(array.dtype, mx.floating):
                mx.eval(array)
                continue
            flat = array.reshape(-1)
            parts = (flat[start : start + _PART] for start in range(0, flat.size, _PART))
            finite = all(mx.isfinite(part).all().item() for part in parts)
        except RuntimeError as error:
            raise HRMModelError(f"{path}: is damaged ({shortened(error)}); choose another checkpoint") from error
        if not finite:
            raise HRMModelError(
                f"{path}: the weight {shortened(name)} holds numbers that are not finite; choose another checkpoint"
            )


def _check_header(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _LARGEST_HEADER):
            raise ValueError("it is truncated or not a safetensors file")
        header = parse_json(file.read(length), _MOST_VALUES)
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
                raise ValueError(f"its entry {quoted(name)} has no known dtype, shape and offsets")
        if not 0 <= start_at <= end <= data or end - start_at != expected:
            raise ValueError(
                f"its entry {quoted(name)} of {dtype} {shape[:16]} claims bytes {start_at} to {end} of {data}"
            )
        taken += expected
    if taken > data:
        raise ValueError(f"its arrays overlap: they claim {taken:,} bytes of {data:,}")
    if taken > (memory := device_info().memory):
        raise ValueError(f"its arrays take {taken:,} bytes, but this machine has {memory:,} bytes of memory")
