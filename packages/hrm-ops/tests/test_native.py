"""Kernels of our own compute what MLX's operations compute, where they serve, and are done without elsewhere."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hrm_ops
import mlx.core as mx
import mlx.nn as nn
import pytest
from hrm_ops import (
    Attention,
    GroupMeans,
    HRMOpsError,
    PlaneMean,
    RMSNorm,
    SwiGLU,
    TransformerBlock,
    post_norm,
    rope_tables,
    uncompiled,
    without_gradient,
)
from hrm_ops.linux.native import _build
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device().type == mx.DeviceType.gpu or shutil.which("g++") is None,
    reason="for g++, which compiles kernels on a Linux CPU",
)
SOURCES = Path(_build.__file__).parent


class Case(nn.Module):
    """Layers with a norm after their sum, and an input."""

    def __init__(self, layers: list[nn.Module], *shape: int, **options: Any) -> None:
        super().__init__()
        self.layers, self.norm = layers, RMSNorm(shape[-1], weight=False)
        self._x = mx.random.normal(shape, key=mx.random.key(1))
        self._options = options

    def __call__(self, x: mx.array) -> mx.array:
        return post_norm(self.norm, self.layers, x, **self._options)

    def results(self) -> list[mx.array]:
        """The output, and the gradients of the input and all weights."""

        def loss(x: mx.array, weights: Any) -> mx.array:
            self.update(weights)
            return (self(x) * mx.sin(mx.arange(x.size).reshape(x.shape))).sum()

        weights = self.trainable_parameters()
        gradients = mx.grad(loss, argnums=(0, 1))(self._x, weights)
        self.update(weights)
        found = [self(self._x), *(gradient for _, gradient in tree_flatten(gradients))]
        mx.eval(found)
        return found

    def check(self) -> None:
        """Compare with MLX's operations."""
        assert is_native(self, self._x)
        for found, expected in zip(self.results(), uncompiled(self.results)(), strict=True):
            assert mx.abs(found - expected).max().item() <= 5e-5 * max(1, mx.abs(expected).max().item())
        with without_gradient():
            assert mx.allclose(self(self._x), uncompiled(self)(self._x), atol=5e-5).item()


def is_native(function: Callable[..., mx.array], *arrays: mx.array) -> bool:
    """Whether a graph holds kernels of our own."""
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"graph-{os.getpid()}.dot"
    mx.export_to_dot(str(file), function(*arrays))
    graph = file.read_text()
    file.unlink()
    return "NativeKernel" in graph


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 70), st.integers(1, 50))
def test_gated_units_of_every_size(rows: int, dims: int, inner: int) -> None:
    Case([SwiGLU(dims, expansion=1.5 * inner / dims, multiple=1)], rows, dims).check()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 180), st.integers(1, 3), st.integers(1, 20), st.booleans())
def test_attention_of_every_size(batch: int, length: int, heads: int, half: int, turns: bool) -> None:
    rope = rope_tables(length, 2 * half) if turns else None
    dims = 2 * half * heads
    Case([Attention(dims, heads)], batch, length, dims, rope=rope).check()


@settings(max_examples=25, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 5), st.integers(1, 40), st.booleans())
def test_means_over_every_division_of_the_positions(
    data: st.DataObject, batch: int, planes: int, dims: int, of_planes: bool
) -> None:
    length = data.draw(st.integers(1, 30))
    numbers = st.lists(st.integers(0, 4), min_size=length, max_size=length)
    kinds = [[sorted(set(kind)).index(group) for group in kind] for kind in data.draw(st.lists(numbers, min_size=1))]
    layers = [GroupMeans(kinds, dims), *([PlaneMean(dims)] if of_planes else [])]
    Case(layers, batch, planes, length, dims).check()


def test_the_first_positions_alone_are_those_of_all() -> None:
    block, x = TransformerBlock(24, num_heads=2, expansion=2.0, rope_base=100.0), mx.random.normal((3, 90, 24))
    for first in (1, 50, 90):
        with without_gradient():
            assert mx.allclose(block(x, first=first), block(x)[:, :first], atol=1e-5).item()


@pytest.mark.parametrize(
    ("block", "options"),
    [
        (TransformerBlock(16, 2, 2.0, norm="pre"), {}),
        (TransformerBlock(16, 2, 2.0, norm_weight=True), {}),
    ],
    ids=["norms first", "norms with a gain"],
)
def test_other_blocks_compute_with_operations_of_mlx(block: nn.Module, options: dict[str, Any]) -> None:
    assert not is_native(lambda x: block(x, **options), mx.ones((2, 5, 16)))


def test_other_layers_compute_with_operations_of_mlx() -> None:
    x, norm = mx.ones((2, 5, 16)), RMSNorm(16, weight=False)
    layers: list[tuple[nn.Module, dict[str, Any]]] = [
        (Attention(16, 2), {"mask": "causal"}),
        (Attention(16, 2, num_kv_heads=1), {}),
        (Attention(16, 2, bias=True), {}),
        (nn.Linear(16, 16), {}),
    ]
    quantised = SwiGLU(64, 2.0)
    nn.quantize(quantised)
    for layer, options in layers:
        assert not is_native(lambda x, layer=layer, options=options: post_norm(norm, layer, x, **options), x)
    assert not is_native(lambda x: post_norm(RMSNorm(64, weight=False), quantised, x), mx.ones((2, 64)))
    assert not is_native(lambda x: post_norm(norm, SwiGLU(16, 2.0), x), x.astype(mx.bfloat16))
    assert not is_native(uncompiled(lambda x: post_norm(norm, SwiGLU(16, 2.0), x)), x)
    assert post_norm(norm, SwiGLU(16, 2.0), mx.zeros((0, 16))).shape == (0, 16)


@pytest.mark.parametrize("place", [(0, 3, 5), (1, 0, 0)])
def test_what_is_not_a_number_stays_so(place: tuple[int, int, int]) -> None:
    block, x = TransformerBlock(16, 2, 2.0), mx.random.normal((2, 90, 16))
    x[place] = mx.nan
    bad = mx.isnan(block(x)).all(axis=(1, 2))
    assert bad[place[0]].item()
    assert not bad[1 - place[0]].item()


def test_extreme_numbers_give_what_operations_of_mlx_give() -> None:
    block, x = TransformerBlock(16, 2, 2.0), mx.random.normal((2, 9, 16)) * mx.array([1e-12, 1e4]).reshape(2, 1, 1)
    assert mx.allclose(block(x), uncompiled(block)(x), atol=1e-4).item()


def test_second_derivatives_are_refused_and_so_is_a_gradient_that_nothing_was_kept_for() -> None:
    unit = Case([SwiGLU(8, 2.0)], 3, 8)

    def squared_gradient(x: mx.array) -> mx.array:
        return mx.grad(lambda x: unit(x).sum())(x).square().sum()

    with pytest.raises(HRMOpsError, match="no second derivatives"):
        mx.eval(mx.grad(squared_gradient)(unit._x))
    with without_gradient(), pytest.raises(ValueError, match="NativeKernel"):
        mx.eval(mx.grad(lambda x: unit(x).sum())(unit._x))


def test_what_is_asked_for_twice_is_packed_once() -> None:
    """Within a compiled function, which calls a block several times with the same weights."""
    block, x = TransformerBlock(16, 2, 2.0), mx.random.normal((2, 5, 16))

    def twice(x: mx.array) -> mx.array:
        return block(block(x))

    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"graph-{os.getpid()}.dot"
    mx.export_to_dot(str(file), mx.compile(twice)(x))
    kernels = file.read_text().count('"NativeKernel"')
    file.unlink()
    assert kernels == 4 + 5  # two for each call; gate, up and down, queries to values, out


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are names of processors with x86-64")
@pytest.mark.parametrize("processor", ["x86-64", "haswell"])
def test_narrower_vectors_compute_the_same(processor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if processor == "haswell" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX2")
    own = _build.native()
    assert own
    source, *flags = _build._LIBRARIES["kernels"]
    flags = [f"-march={processor}" if flag.startswith("-march") else flag for flag in flags]
    target = tmp_path / "kernels.so"
    subprocess.run(["g++", *_build._COMMON, "-o", target, SOURCES / source, *flags], check=True)
    other = _build.Native.load(target, Path(own.primitive._name))
    assert other.kernels.hrm_columns() < own.kernels.hrm_columns() or processor == "haswell"
    monkeypatch.setattr(_build, "_result", (other, ""))
    Case([SwiGLU(37, 2.0, multiple=1)], 100, 37).check()
    Case([Attention(36, 3)], 2, 101, 36, rope=rope_tables(101, 12)).check()
    Case([GroupMeans([[0, 0, 1, 1, 2], [0, 1, 2, 1, 0]], 21), PlaneMean(21)], 2, 3, 5, 21).check()


BLOCK = """
import hrm_ops, mlx.core as mx
from hrm_ops.linux.native._build import native_or_reason
block, x = hrm_ops.TransformerBlock(16, 2, 2.0), mx.ones((1, 4, 16))
print(mx.allclose(block(x), hrm_ops.uncompiled(block)(x), atol=1e-5).item(), native_or_reason()[1])
"""


def run(**environment: str) -> str:
    """What BLOCK prints in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", BLOCK]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_where_they_cannot_be_compiled_operations_of_mlx_compute_and_the_reason_is_remembered(tmp_path: Path) -> None:
    log, compiler = tmp_path / "calls", tmp_path / "bin" / "g++"
    compiler.parent.mkdir()
    compiler.write_text(
        f"""#!/bin/sh
case "$*" in *primitive.cpp*) echo >>{log}; echo "primitive.cpp:1: error: no such luck" >&2; exit 1 ;; esac
exec {shutil.which("g++")} "$@"
"""
    )
    compiler.chmod(0o755)
    (tmp_path / "tmp").mkdir(mode=0o700)
    machine = {"PATH": f"{compiler.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path / "tmp")}
    said = "True g++ cannot compile the primitive: primitive.cpp:1: error: no such luck"
    assert [run(**machine), run(**machine)] == [said, said]
    assert len(log.read_text().splitlines()) == 1


def test_they_can_be_switched_off() -> None:
    assert run(HRM_OPS_PATCH="0") == "True HRM_OPS_PATCH is 0"


def test_the_doctor_says_that_they_work() -> None:
    assert hrm_ops.diagnose().native_problem == ""
