"""A reader of the zip archives that `torch.save` writes; it does not need torch."""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx

from hrm_model._errors import HRMModelError
from hrm_model.reference._pickle import read_pickle
from hrm_model.untrusted import quoted, shortened

# What zipfile, struct, memoryview and MLX make of damaged files.
_DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError),
    *(struct.error, zlib.error),
)


class _Dtype(NamedTuple):
    buffer: Any  # format of a memoryview with elements of this size
    size: int
    dtype: mx.Dtype


_STORAGES = {
    "torch.FloatStorage": _Dtype("f", 4, mx.float32),
    "torch.BFloat16Storage": _Dtype("H", 2, mx.bfloat16),
    "torch.HalfStorage": _Dtype("H", 2, mx.float16),
    "torch.LongStorage": _Dtype("q", 8, mx.int64),
    "torch.IntStorage": _Dtype("i", 4, mx.int32),
    "torch.BoolStorage": _Dtype("B", 1, mx.bool_),
}


_MOST_ENTRIES = 100_000


class _Storage(NamedTuple):
    key: str
    kind: _Dtype
    length: int  # elements


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.storage.kind.size


def read_torch_file(path: Path) -> dict[str, mx.array]:
    """Read a dictionary of tensors that `torch.save` wrote, or the one inside a checkpoint of Lightning.

    Only tensors and plain containers are read; the file cannot import or call anything. The memory needed is at most
    the size of the file plus its largest tensor. Where a callback of Lightning keeps averages of the weights
    (`shadow`), these are read in place of the last weights: such a run is evaluated with them.

    Args:
        path: A zip archive of PyTorch 1.6 or newer.

    Returns:
        The tensors by name, float32, bfloat16, float16, int64, int32 or bool.

    Raises:
        HRMModelError: If the file is missing or damaged, holds anything else, or claims more than it has.
    """
    with _reader(path) as reader:
        return reader.read()


def read_hyper_parameters(path: Path) -> dict[str, Any]:
    """Return the `hyper_parameters` of a checkpoint of Lightning.

    Raises:
        HRMModelError: If the file cannot be read, or is no checkpoint of Lightning with hyper-parameters.
    """
    with _reader(path) as reader:
        found = reader.content.get("hyper_parameters") if _is_lightning(reader.content) else None
        if not isinstance(found, dict):
            raise HRMModelError("it is no checkpoint of Lightning with hyper_parameters")
        return found


def _is_lightning(content: Mapping[Any, Any]) -> bool:
    return "pytorch-lightning_version" in content and isinstance(content.get("state_dict"), dict)


@contextmanager
def _reader(path: Path) -> "Iterator[_Reader]":
    """Open an archive; errors inside the block name it."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Reader(archive, path.stat().st_size)
    except FileNotFoundError:
        raise HRMModelError(f"{path}: does not exist") from None
    except zipfile.BadZipFile as error:
        raise HRMModelError(
            f"{path}: is not a complete zip archive of torch.save ({error}); "
            "copy it again, or save it again with PyTorch 1.6 or later"
        ) from error
    except HRMModelError as error:
        raise HRMModelError(f"{path}: {error}") from error
    except _DAMAGED as error:
        raise HRMModelError(f"{path}: cannot be read as an archive of torch.save ({shortened(error)})") from error


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive = archive
        self.last: tuple[_Storage, mx.array] | None = None
        entries = archive.infolist()
        if len(entries) > _MOST_ENTRIES:
            raise HRMModelError(f"it has {len(entries):,} entries, more than any list of weights needs")
        self.sizes = {entry.filename: entry.file_size for entry in entries}
        odd = [e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED or e.flag_bits & 1]
        if odd:
            raise HRMModelError(f"its entry {quoted(odd[0])} is compressed or encrypted, which torch.save never does")
        if len(self.sizes) < len(entries):
            raise HRMModelError("two of its entries have the same name")
        claimed = sum(max(entry.file_size, entry.compress_size) for entry in entries)
        if claimed > size:
            raise HRMModelError(f"its entries claim {claimed:,} bytes, but it has {size:,}")

        self.content = self.unpickled()

    def unpickled(self) -> dict[Any, Any]:
        pickles = [name for name in self.sizes if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise HRMModelError(f"it holds {len(pickles)} entries named data.pkl, but torch.save writes one")
        self.root = pickles[0].removesuffix("data.pkl")
        order = f"{self.root}byteorder"
        if order in self.sizes and self.archive.read(order) != b"little":
            raise HRMModelError("its numbers are big-endian; save it again on a little-endian machine")
        content = read_pickle(self.archive.read(pickles[0]), _NAMED, self.storage)
        if not isinstance(content, dict):
            raise HRMModelError(f"it holds a {type(content).__name__}, but a dictionary of tensors was expected")
        return content

    def read(self) -> dict[str, mx.array]:
        """Return the tensors; those of Lightning stand inside, the averages of weights apart."""
        tensors = self.content
        if _is_lightning(self.content):
            tensors = {**self.content["state_dict"], **_averages(self.content.get("callbacks"))}
        for name, value in tensors.items():
            if not isinstance(name, str) or not isinstance(value, _Tensor):
                raise HRMModelError(f"its entry {quoted(name)} is a {type(value).__name__}, not a named tensor")
        self.check(tensors)
        by_storage = sorted(tensors.items(), key=lambda item: item[1].storage.key)
        return {name: self.load(tensor) for name, tensor in by_storage}

    def storage(self, identifier: Any) -> _Storage:
        match identifier:
            case ("storage", storage, str(key), str(), int(count)) if isinstance(
                getattr(storage, "function", None), _StorageKind
            ):
                kind = storage.function.kind
            case _:
                raise HRMModelError("its pickle refers to an object that is not a storage of torch")
        found = self.sizes.get(f"{self.root}data/{key}")
        if count < 0 or found != count * kind.size:
            raise HRMModelError(
                f"its storage {quoted(key)} should have {count * kind.size:,} bytes, but has "
                f"{'none' if found is None else format(found, ',')}"
            )
        return _Storage(key, kind, count)

    def check(self, tensors: Mapping[str, _Tensor]) -> None:
        """Raise if the tensors together claim more bytes than are stored, as tensors that share a storage can."""
        claimed = sum(tensor.nbytes for tensor in tensors.values())
        stored = sum(size for name, size in self.sizes.items() if name.startswith(f"{self.root}data/"))
        if claimed > stored:
            raise HRMModelError(
                f"its tensors claim {claimed:,} bytes, but only {stored:,} are stored; shared ones are not read"
            )

    def load(self, tensor: _Tensor) -> mx.array:
        kind = tensor.storage.kind
        if not tensor.nbytes:
            return mx.zeros(tensor.shape, kind.dtype)
        if self.last is None or self.last[0] != tensor.storage:
            self.last = None  # frees one storage before the next is read
            self.last = tensor.storage, self.elements(tensor.storage)
        array = mx.contiguous(mx.as_strided(self.last[1], tensor.shape, tensor.strides, tensor.offset))
        mx.eval(array)
        return array

    def elements(self, storage: _Storage) -> mx.array:
        """Return all elements of a storage."""
        name, kind = f"{self.root}data/{storage.key}", storage.kind
        data: Any = memoryview(self.archive.read(name)).cast(kind.buffer)
        if len(data) != storage.length:
            raise HRMModelError(f"its entry {quoted(name)} is cut short")
        array = mx.array(data)
        return array.astype(mx.bool_) if kind.dtype == mx.bool_ else array.view(kind.dtype)


def _averages(callbacks: Any) -> dict[Any, Any]:
    """Return what a callback keeps as `shadow`: averages of the trained weights, by name."""
    states = callbacks.values() if isinstance(callbacks, dict) else ()
    found = [state["shadow"] for state in states if isinstance(state, dict) and isinstance(state.get("shadow"), dict)]
    return found[0] if found else {}


class _StorageKind:
    """The meaning of the name of a storage class; a pickle refers to it but never calls it."""

    def __init__(self, kind: _Dtype) -> None:
        self.kind = kind

    def __call__(self, *_: Any) -> Any:
        raise HRMModelError("its pickle creates a storage instead of referring to a stored one")


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any = False, _hooks: Any = None, marks: Any = None
) -> _Tensor:
    if marks:
        raise HRMModelError("a tensor of its pickle is a negated or conjugated view; save it after resolve_neg()")
    whole = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) < 16
    if not isinstance(storage, _Storage) or not whole or not all(type(n) is int for n in (offset, *shape, *strides)):
        raise HRMModelError("a tensor of its pickle is not made of a storage, an offset, a shape and strides")
    if min((offset, *shape, *strides)) < 0 or max((0, *shape)) >= 2**31 or max((offset, *strides)) >= 2**62:
        raise HRMModelError("a tensor of its pickle has an offset, size or stride that is negative or too large")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if math.prod(shape) > storage.length or (math.prod(shape) and last >= storage.length):
        raise HRMModelError(
            f"a tensor of shape {quoted(shape)}, strides {quoted(strides)} and offset {offset} does not fit into "
            f"its storage of {storage.length} elements"
        )
    return _Tensor(storage, offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> _Tensor:
    if not isinstance(tensor, _Tensor):
        raise HRMModelError("a parameter of its pickle is not a tensor")
    return tensor


def _ordered_dict(*arguments: Any) -> dict[Any, Any]:
    if arguments:
        raise HRMModelError("its pickle fills an OrderedDict in a way that torch.save never does")
    return {}


_NAMED: Mapping[str, Any] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "collections.OrderedDict": _ordered_dict,
    **{name: _StorageKind(kind) for name, kind in _STORAGES.items()},
}
