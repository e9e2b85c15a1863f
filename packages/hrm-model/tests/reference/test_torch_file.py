import io
import pickle
import pickletools
import struct
import sys
import tracemalloc
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hrm_model import HRMModelError
from hrm_model.reference._pickle import read_pickle
from hrm_model.reference._torch_file import read_torch_file
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

# A writer of what torch.save writes, made of the standard library, so that tests can spoil any part of it.


class Storage:
    """Stands in a pickle for bytes that lie beside it."""

    def __init__(self, kind: str, key: str, length: int) -> None:
        self.identity = ("storage", _named("torch", kind), key, "cpu", length)


class Tensor:
    """Pickles as torch's tensors do."""

    def __init__(
        self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *marks: dict[str, bool]
    ) -> None:
        self.arguments = (storage, offset, shape, strides, False, OrderedDict(), *marks)

    def __reduce__(self) -> tuple[Any, ...]:
        return _named("torch._utils", "_rebuild_tensor_v2"), self.arguments


def dumps(value: Any, protocol: int = 2) -> bytes:
    """The pickle of a value in which storages are persistent."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, item: Any) -> Any:
            return item.identity if isinstance(item, Storage) else None

    file = io.BytesIO()
    with _torch_importable():
        Pickler(file, protocol).dump(value)
    return file.getvalue()


def archive(pickled: bytes, storages: Mapping[str, bytes], root: str = "step_2") -> bytes:
    """The zip archive around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr(f"{root}/data.pkl", pickled)
        out.writestr(f"{root}/byteorder", "little")
        for key, data in storages.items():
            out.writestr(f"{root}/data/{key}", data)
        out.writestr(f"{root}/version", "3\n")
    return file.getvalue()


def _named(module: str, name: str) -> Any:
    """Something that pickles as ``module.name``."""
    return getattr(_MODULES[module], name)


KINDS = ["FloatStorage", "BFloat16Storage", "HalfStorage", "BoolStorage", "DoubleStorage", "load"]
_MODULES = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
for _name in KINDS:
    setattr(_MODULES["torch"], _name, type(_name, (), {"__module__": "torch"}))
_MODULES["torch._utils"]._rebuild_tensor_v2 = type("_rebuild_tensor_v2", (), {"__module__": "torch._utils"})  # type: ignore[attr-defined]


@contextmanager
def _torch_importable() -> Iterator[None]:
    """Let the pickler find the names that it writes."""
    kept = {name: sys.modules.get(name) for name in _MODULES}
    sys.modules.update(_MODULES)
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


FLOATS = struct.pack("<12f", *range(12))


def read(data: bytes, folder: Path) -> dict[str, mx.array]:
    (folder / "step_2").write_bytes(data)
    return read_torch_file(folder / "step_2")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_come_back_by_name_shape_dtype_and_value(protocol: int, tmp_path: Path) -> None:
    bfloat = struct.pack("<2H", 0x3F80, 0xC000)  # 1 and -2
    content = OrderedDict(
        weight=Tensor(Storage("FloatStorage", "0", 12), 0, (3, 4), (4, 1)),
        transposed=Tensor(Storage("FloatStorage", "1", 12), 0, (4, 3), (1, 4)),
        part=Tensor(Storage("FloatStorage", "2", 12), 5, (2,), (3,)),
        scalar=Tensor(Storage("FloatStorage", "3", 12), 7, (), ()),
        short=Tensor(Storage("BFloat16Storage", "4", 2), 0, (2,), (1,)),
        empty=Tensor(Storage("FloatStorage", "5", 0), 0, (0, 3), (3, 1)),
    )
    storages = {**dict.fromkeys("0123", FLOATS), "4": bfloat, "5": b""}
    tensors = read(archive(dumps(content, protocol), storages, root="archive"), tmp_path)
    numbers = mx.arange(12, dtype=mx.float32).reshape(3, 4)
    expected = {
        "weight": numbers,
        "transposed": numbers.T,
        "part": mx.array([5.0, 8.0]),
        "scalar": mx.array(7.0),
        "short": mx.array([1, -2], mx.bfloat16),
        "empty": mx.zeros((0, 3)),
    }
    assert list(tensors) == list(expected)
    for name, array in expected.items():
        assert (tensors[name].shape, tensors[name].dtype) == (array.shape, array.dtype)
        assert mx.array_equal(tensors[name], array)


def one_tensor(**changes: Any) -> bytes:
    given = {"kind": "FloatStorage", "key": "0", "length": 12, "offset": 0, "shape": (3, 4), "strides": (4, 1)}
    given |= changes
    storage = Storage(given["kind"], given["key"], given["length"])
    return dumps(
        {"weight": Tensor(storage, given["offset"], given["shape"], given["strides"], *given.get("marks", ()))}
    )


def spoiled_zip(**changes: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", changes.get("compression", zipfile.ZIP_STORED)) as out:
        for name, data in changes["entries"]:
            out.writestr(name, data)
    return file.getvalue()


GOOD = archive(one_tensor(), {"0": FLOATS})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a complete zip archive"),
        (GOOD[:-30], "not a complete zip archive"),
        (GOOD.replace(FLOATS, FLOATS[::-1]), "Bad CRC"),
        (archive(one_tensor(kind="DoubleStorage"), {"0": FLOATS}), "torch.DoubleStorage"),
        (archive(one_tensor(length=2**40), {"0": FLOATS}), "should have 4,398,046,511,104 bytes, but has 48"),
        (archive(one_tensor(length=-1), {"0": FLOATS}), "storage '0'"),
        (archive(one_tensor(key="../../0"), {"0": FLOATS}), "has none"),
        (archive(one_tensor(offset=1), {"0": FLOATS}), "does not fit"),
        (archive(one_tensor(strides=(5, 1)), {"0": FLOATS}), "does not fit"),
        (archive(one_tensor(shape=(2**30, 2**30), strides=(0, 0)), {"0": FLOATS}), "does not fit"),
        (archive(one_tensor(shape=(-3, -4)), {"0": FLOATS}), "negative or too large"),
        (archive(one_tensor(shape=(0, 2**80)), {"0": FLOATS}), "negative or too large"),
        (archive(one_tensor(shape=(1, 12), strides=(2**80, 1)), {"0": FLOATS}), "negative or too large"),
        (archive(one_tensor(shape=[3, 4]), {"0": FLOATS}), "not made of"),
        (archive(one_tensor(shape=(3, 4.0)), {"0": FLOATS}), "not made of"),
        (archive(one_tensor(marks=[{"neg": True}]), {"0": FLOATS}), "negated"),
        (archive(pickle.dumps([1], 2), {}), "holds a list"),
        (archive(pickle.dumps({"step": 3}, 2), {}), "'step' is a int"),
        (archive(pickle.dumps({"nested": {"a": 1}}, 2), {}), "'nested' is a dict"),
        (archive(pickle.dumps({}, 2)[:-1], {}), "damaged"),
        (archive(pickle.dumps(b"\x80\x02.", 3), {}), "opcode"),
        (spoiled_zip(entries=[("a/version", "3")]), "0 entries named data.pkl"),
        (spoiled_zip(entries=[("a/data.pkl", ""), ("b/data.pkl", "")]), "2 entries named data.pkl"),
        (spoiled_zip(entries=[("a/data.pkl", bytes(10**6))], compression=zipfile.ZIP_DEFLATED), "compressed"),
        (spoiled_zip(entries=[("a/data.pkl", one_tensor()), ("a/byteorder", "big")]), "little-endian"),
        (
            archive(dumps({n: Tensor(Storage("FloatStorage", "0", 12), 0, (12,), (1,)) for n in "ab"}), {"0": FLOATS}),
            "claim 96 bytes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",  # the archives hold the time, and their names would
)
def test_a_bad_file_is_refused_by_name_with_the_reason(data: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(HRMModelError, match="step_2: ") as caught:
        read(data, tmp_path)
    assert says in str(caught.value)


def test_a_file_or_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HRMModelError, match=r"nothing: does not exist"):
        read_torch_file(tmp_path / "nothing")
    with pytest.raises(HRMModelError, match=r"cannot be read"):
        read_torch_file(tmp_path)


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


# What no file may bring about, as the interpreter itself reports it.
FORBIDDEN = ("import", "exec", "compile", "os.", "subprocess.", "socket.", "pickle.find_class", "ctypes.", "shutil.")
_seen: list[str] | None = None


def _hook(event: str, _arguments: Any) -> None:
    if _seen is not None and event.startswith(FORBIDDEN):
        _seen.append(event)


sys.addaudithook(_hook)


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Fail if the interpreter reports any of ``FORBIDDEN`` inside the block."""
    global _seen
    _seen = []
    try:
        yield
    finally:
        events, _seen = _seen, None
    assert not events


CALLS = [
    Call(exec, "import this"),
    Call(eval, "1 + 1"),
    Call(getattr, "text", "upper"),
    Call(__import__, "this"),
    Call(open, "/etc/hostname"),
    Call(bytearray, 2**40),
    Call(pickle.loads, b"\x80\x02."),
    Call(OrderedDict, [("a", 1)]),
]


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.function.__name__)
@pytest.mark.parametrize("place", ["value", "nested", "state"])
def test_a_call_is_refused_by_name_and_not_made(call: Call, protocol: int, place: str, tmp_path: Path) -> None:
    content = {"value": {"weight": call}, "nested": {"weight": [({"deep": (call,)},)]}, "state": OrderedDict()}[place]
    if place == "state":
        content.metadata = call  # type: ignore[union-attr]
    (tmp_path / "step_2").write_bytes(archive(pickle.dumps(content, protocol), {}))
    with pytest.raises(HRMModelError) as caught, nothing_runs():
        read_torch_file(tmp_path / "step_2")
    if call.function is not OrderedDict and protocol:
        assert call.function.__name__ in str(caught.value) or "opcode" in str(caught.value)


def check(data: bytes, folder: Path) -> None:
    """Tensors or one clear error come of any bytes; nothing runs, and no more memory is taken than they justify."""
    (folder / "fuzzed").write_bytes(data)
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    tensors: dict[str, mx.array] = {}
    tracemalloc.start()
    try:
        with nothing_runs(), suppress(HRMModelError):
            tensors = read_torch_file(folder / "fuzzed")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(array.nbytes for array in tensors.values()) <= len(data)
    assert mx.get_peak_memory() - before <= 2 * len(data) + 2**16
    assert peak <= 50 * len(data) + 2**18  # Python's objects for the bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are written; one has been read, so that late imports are done."""
    folder = tmp_path_factory.mktemp("fuzz")
    read(GOOD, folder)
    return folder


fuzz = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))

integers = st.one_of(
    st.integers(-2, 20), st.sampled_from([2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63, 2**64, 2**200, 10**600])
)


@pytest.mark.slow
@fuzz
@given(st.integers(0, len(GOOD)), st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=8))
def test_fuzzed_bytes_of_an_archive(folder: Path, end: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    check(bytes(data) if end % 2 else bytes(data[:end]), folder)


@pytest.mark.slow
@fuzz
@given(
    st.sampled_from(KINDS),
    st.sampled_from(["0", "1", "", "../0", "/etc/passwd"]),
    integers,
    integers,
    st.lists(integers, max_size=4),
    st.lists(integers, max_size=4),
)
def test_fuzzed_tensors(
    folder: Path, kind: str, key: str, length: int, offset: int, shape: list[int], strides: list[int]
) -> None:
    pickled = one_tensor(kind=kind, key=key, length=length, offset=offset, shape=tuple(shape), strides=tuple(strides))
    check(archive(pickled, {"0": FLOATS}), folder)


OPCODES = {opcode.name: opcode.code.encode("latin1") for opcode in pickletools.opcodes}
arguments = st.one_of(
    st.binary(max_size=9),
    st.sampled_from([b"\xff" * 8, b"\xff\xff\xff\x7f", bytes(8), b"\x01", b"1\n", b"\x00"]),
    st.sampled_from([b"posix\nsystem\n", b"builtins\nexec\n", b"torch\nFloatStorage\n", b"collections\nOrderedDict\n"]),
    st.integers(0, 255).map(lambda n: bytes([n]) + b"x" * n),
)
instructions = st.tuples(st.sampled_from(sorted(OPCODES)), arguments).map(lambda i: OPCODES[i[0]] + i[1])


@pytest.mark.slow
@fuzz
@example([b"X\xff\xff\xff\x7f"])
@example([b"\x8e" + b"\xff" * 8])
@example([b"r\xff\xff\xff\x7f"])
@given(st.lists(instructions, max_size=25))
def test_fuzzed_programs(folder: Path, program: list[bytes]) -> None:
    check(archive(b"\x80\x04" + b"".join(program) + b".", {"0": FLOATS}), folder)


@pytest.mark.slow
@fuzz
@given(
    st.integers(0, 10**6),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(sorted(OPCODES.values()))), min_size=1, max_size=4),
    st.binary(max_size=6),
)
def test_fuzzed_pickles_of_tensors(folder: Path, cut: int, changes: list[tuple[int, bytes]], inserted: bytes) -> None:
    pickled = bytearray(one_tensor())
    for at, code in changes:
        pickled[at % len(pickled)] = code[0]
    at = cut % len(pickled)
    check(archive(bytes(pickled[:at] + inserted + pickled[at:]), {"0": FLOATS}), folder)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_pickle_or_an_error(data: bytes) -> None:
    with suppress(HRMModelError):
        read_pickle(data, {}, lambda _: None)
