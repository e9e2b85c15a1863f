"""Make MLX's matrix products on a Linux CPU run in OpenBLAS.

MLX's Linux CPU wheel is linked against Netlib's reference BLAS. `install` loads the OpenBLAS of
the wheel `scipy-openblas32` and points MLX's own references to `cblas_*gemm` at it, in this process only.
Those references are relocation slots of `libmlx.so`, so neither the order of imports nor any other BLAS in
the process matters, and no other library is affected. LAPACK stays as MLX ships it.

Nothing is evaluated in MLX here: that starts its worker thread, and MLX would hang in a process forked later.

Delete this module once MLX's wheel is linked against a fast BLAS.
"""

import ctypes
import importlib.util
import mmap
import os
import platform
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

from hrm_ops._errors import HRMOpsError
from hrm_ops.linux._patches import record

_GEMM = {f"cblas_{kind}gemm".encode(): f"scipy_cblas_{kind}gemm" for kind in "sdc"}
# (GLOB_DAT, JUMP_SLOT): the relocation types that hold nothing but a symbol's address.
_SLOT_TYPES = {"x86_64": (6, 7), "aarch64": (1025, 1026)}
_PT_DYNAMIC, _PT_GNU_RELRO = 2, 0x6474E552
_DT_PLTRELSZ, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_JMPREL = 2, 5, 6, 7, 8, 23
_DT_FINI_ARRAYSZ = 28


_openblas: ctypes.CDLL | None = None
_reason = "HRM_OPS_PATCH is 0."


class BlasWarning(RuntimeWarning):
    """MLX keeps its slow reference BLAS; the message says why.

    Example:
        Where that must stop a program:

        >>> import warnings
        >>> from hrm_ops import BlasWarning
        >>> warnings.simplefilter("error", BlasWarning)
    """


@dataclass(frozen=True)
class BlasInfo:
    """The library that computes MLX's CPU matrix products, and the reason if it is not OpenBLAS.

    Example:
        >>> from hrm_ops import blas_info
        >>> info = blas_info()
        >>> info.active or bool(info.reason)
        True
    """

    active: bool
    name: str = "MLX's own BLAS"
    path: str = ""
    threads: int = 0
    reason: str = ""


def blas_info() -> BlasInfo:
    """Return which library computes MLX's CPU matrix products, so that a log can explain a slow run.

    `threads` is OpenBLAS's current count, 0 when it is not active. It starts as the number of CPUs the
    process may run on, or as `OPENBLAS_NUM_THREADS` or `OMP_NUM_THREADS` if set before the import.

    Example:
        >>> from hrm_ops import blas_info
        >>> info = blas_info()
        >>> (info.threads >= 1) == info.active
        True
    """
    if _openblas is None:
        return BlasInfo(active=False, reason=_reason)
    name = _openblas.scipy_openblas_get_config().decode()
    return BlasInfo(True, name, _openblas._name, _openblas.scipy_openblas_get_num_threads())


@contextmanager
def blas_threads(n: int) -> Iterator[None]:
    """Give OpenBLAS `n` threads inside the block, so that several streams or processes can share the cores.

    The count belongs to the whole process, and MLX is lazy: call `mx.eval` inside the block. Does nothing
    when OpenBLAS is not active.

    Raises:
        HRMOpsError: If `n` is less than 1.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import blas_threads
        >>> with blas_threads(1):
        ...     mx.eval(mx.ones((64, 64)) @ mx.ones((64, 64)))
    """
    if n < 1:
        raise HRMOpsError(f"[blas_threads] n must be at least 1, but is {n}.")
    if _openblas is None:
        yield
        return
    before = _openblas.scipy_openblas_get_num_threads()
    try:
        _openblas.scipy_openblas_set_num_threads(n)
        yield
    finally:
        _openblas.scipy_openblas_set_num_threads(before)


class _UnusableError(Exception):
    """OpenBLAS cannot take over; the message becomes the warning's reason."""


@dataclass(frozen=True)
class _Slot:
    """A word of a loaded object, mostly the address of an imported function; sealed if it is read-only."""

    symbol: bytes
    address: int
    sealed: bool

    def read(self) -> int:
        return ctypes.c_uint64.from_address(self.address).value

    def write(self, value: int) -> None:
        if self.sealed:
            _protect(self.address, mmap.PROT_READ | mmap.PROT_WRITE)
        # One aligned store: a thread calling through the slot sees the old address or the new one.
        ctypes.c_uint64.from_address(self.address).value = value
        if self.sealed:
            _protect(self.address, mmap.PROT_READ)


def install() -> None:
    """Let OpenBLAS compute MLX's matrix products; warn if that fails."""
    global _openblas, _reason
    _openblas, _reason = _install()
    if _openblas is not None:
        change = "libmlx.so calls OpenBLAS, whose destructor is skipped at exit"
        record("BLAS", change, "MLX's own BLAS is about 40 times slower, and the destructor can wait for ever")


def _install() -> tuple[ctypes.CDLL | None, str]:
    """Return OpenBLAS, which now computes MLX's products, or None and the reason."""
    if sys.platform != "linux":
        return None, "MLX uses the system's BLAS on this platform."
    if mx.default_device().type == mx.DeviceType.gpu:
        return None, "MLX computes on the GPU."
    try:
        slots, library = _find_slots(), _load_openblas()
        _redirect(slots, library)
        return library, ""
    except (_UnusableError, OSError, AttributeError) as error:  # ctypes: AttributeError is a missing symbol
        reason = str(error)
    warnings.warn(f"MLX's CPU matrix products stay on its slow BLAS: {reason}", BlasWarning, stacklevel=6)
    return None, reason


def _load_openblas() -> ctypes.CDLL:
    # Importing the wheel's module would take longer and put the library into the global symbol scope.
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None or spec.origin is None:
        raise _UnusableError("the package scipy-openblas32 is not installed.")
    folder = Path(spec.origin).parent / "lib"
    path = folder / "libscipy_openblas.so"
    library = ctypes.CDLL(str(path))
    # OpenBLAS's destructor waits for ever at exit if one of MLX's threads is still in a product: skip it.
    for _, dynamic, sealed in _loaded({os.fsencode(path.name)}):
        for size in (at for tag, at in _dynamic(dynamic) if tag == _DT_FINI_ARRAYSZ):
            _Slot(b"", size, size in sealed).write(0)
    library.scipy_openblas_get_config.restype = ctypes.c_char_p
    return library


def _redirect(slots: list[_Slot], library: ctypes.CDLL) -> None:
    """Point the slots at OpenBLAS. Restore them if that fails or a product is wrong."""
    targets = [ctypes.cast(getattr(library, _GEMM[slot.symbol]), ctypes.c_void_p).value or 0 for slot in slots]
    before = [slot.read() for slot in slots]
    try:
        for slot, target in zip(slots, targets, strict=True):
            slot.write(target)
            if not _multiplies(slot):
                raise _UnusableError(f"{slot.symbol.decode()} of {library._name} gave a wrong product.")
    except (_UnusableError, OSError):
        for slot, address in zip(slots, before, strict=True):
            if slot.read() != address:
                slot.write(address)
        raise


def _multiplies(slot: _Slot) -> bool:
    """Whether the function in the slot gets [[1, 2, 3], [4, 5, 6]] times its own transpose right."""
    kind = slot.symbol.removeprefix(b"cblas_")[:1]
    real = ctypes.c_double if kind == b"d" else ctypes.c_float
    stride = 2 if kind == b"c" else 1  # a complex number is two floats, the second zero here

    def array(*values: int) -> "ctypes.Array[ctypes.c_float] | ctypes.Array[ctypes.c_double]":
        filled = (real * (stride * len(values)))()
        filled[::stride] = values
        return filled

    one, zero = (array(1), array(0)) if kind == b"c" else (real(1), real(0))
    a, out = array(1, 2, 3, 4, 5, 6), array(0, 0, 0, 0)
    gemm, row_major, no_trans, trans = ctypes.CFUNCTYPE(None)(slot.read()), 101, 111, 112
    gemm(row_major, no_trans, trans, 2, 2, 3, one, a, 3, a, 3, zero, out, 2)
    return list(out) == list(array(14, 32, 32, 77))


def _find_slots() -> list[_Slot]:
    machine = platform.machine()
    if machine not in _SLOT_TYPES or sys.maxsize < 2**32:
        raise _UnusableError(f"only 64-bit x86_64 and aarch64 are known, not {machine}.")
    names = {b"libmlx.so", os.fsencode(Path(mx.__file__).name)}
    slots = [slot for elf in _loaded(names) for slot in _slots_in(*elf, _SLOT_TYPES[machine])]
    if b"cblas_sgemm" not in {slot.symbol for slot in slots}:
        raise _UnusableError("libmlx.so has no reference to cblas_sgemm.")
    return slots


class _Header(ctypes.Structure):  # Elf64_Phdr
    _fields_ = tuple(
        (name, ctypes.c_uint32 if name in ("type", "flags") else ctypes.c_uint64)
        for name in ("type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align")
    )


class _ObjectInfo(ctypes.Structure):  # the part of struct dl_phdr_info that every C library has
    _types = (ctypes.c_uint64, ctypes.c_char_p, ctypes.POINTER(_Header), ctypes.c_uint16)
    _fields_ = tuple(zip(("base", "name", "headers", "count"), _types, strict=True))


def _loaded(names: set[bytes]) -> list[tuple[int, int, range]]:
    """The base, address of the dynamic section and sealed addresses of each loaded object so named."""
    found: list[tuple[int, int, range]] = []

    def visit(info: "ctypes._Pointer[_ObjectInfo]", _size: int, _data: object) -> int:
        item = info.contents
        if (item.name or b"").rsplit(b"/", 1)[-1] in names:
            headers = {header.type: header for header in item.headers[: item.count]}
            relro = headers.get(_PT_GNU_RELRO, _Header())
            ends = (item.base + relro.vaddr, item.base + relro.vaddr + relro.memsz)
            sealed = range(*(end - end % mmap.PAGESIZE for end in ends))  # as the dynamic linker rounds
            found.append((item.base, item.base + headers[_PT_DYNAMIC].vaddr, sealed))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_ObjectInfo), ctypes.c_size_t, ctypes.c_void_p)
    ctypes.CDLL(None).dl_iterate_phdr(callback(visit), None)
    return found


def _slots_in(base: int, dynamic: int, sealed: range, types: tuple[int, int]) -> Iterator[_Slot]:
    tags = {tag: ctypes.c_uint64.from_address(at).value for tag, at in _dynamic(dynamic)}

    def located(tag: int) -> int:
        # glibc turns these into absolute addresses where the dynamic section is writable.
        return tags[tag] if tags[tag] >= base else base + tags[tag]

    for table, size in ((_DT_JMPREL, _DT_PLTRELSZ), (_DT_RELA, _DT_RELASZ)):
        entries = ctypes.string_at(located(table), tags[size]) if table in tags else b""
        for offset, info, _ in struct.iter_unpack("=QQq", entries):
            if info & 0xFFFFFFFF in types:
                name = ctypes.c_uint32.from_address(located(_DT_SYMTAB) + (info >> 32) * 24).value
                symbol = ctypes.string_at(located(_DT_STRTAB) + name)
                if symbol in _GEMM:
                    yield _Slot(symbol, base + offset, base + offset in sealed)


def _dynamic(address: int) -> Iterator[tuple[int, int]]:
    """Each tag of a dynamic section and the address of its value."""
    while tag := ctypes.c_uint64.from_address(address).value:
        yield tag, address + 8
        address += 16


def _protect(address: int, flags: int) -> None:
    page = ctypes.c_void_p(address - address % mmap.PAGESIZE)
    if ctypes.CDLL(None).mprotect(page, ctypes.c_size_t(mmap.PAGESIZE), flags) != 0:
        raise OSError("mprotect would not open the page of libmlx.so that holds its references.")
