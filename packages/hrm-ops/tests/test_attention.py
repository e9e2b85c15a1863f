"""One attention function: what it computes, that all backends agree, and how much memory it takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import mlx.core as mx
import numpy as np
import pytest
from hrm_ops import AttentionBackend, HRMOpsError, attention, attention_backend
from hrm_ops._attention import _blocks
from hrm_ops._attention._inputs import read_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31)
DTYPES = [mx.float32, mx.bfloat16, mx.float16]
# Largest difference from the reference, relative to the largest element of what is compared (at least 1). Kernels of
# our own compute in float32 and round what they return. mx.fast rounds its scores to the dtype of the inputs, where it
# has no kernel, and sums the gradient of a mask that broadcasts in that dtype too: hence four times as much for that.
TOLERANCE = {mx.float32: 2e-5, mx.float16: 2e-3, mx.bfloat16: 1e-2}
TOLERANCE_OF_MLX = {mx.float32: 2e-5, mx.float16: 1.5e-2, mx.bfloat16: 1e-1}
ON_CPU = mx.default_device().type == mx.DeviceType.cpu


def serves(backend: str) -> bool:
    q = mx.zeros((1, 1, 1, 1))
    try:
        attention_backend(q, q, q, backend=backend)  # type: ignore[arg-type]
    except HRMOpsError:
        return False
    return True


BACKENDS = [name for name in ("fused", "chunked", "cpu", "reference", "auto") if serves(name)]


def normal(seed: int, *shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


def close(a: mx.array, b: mx.array, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.array(a), np.array(b), rtol=rtol, atol=atol)


@dataclass
class Case:
    """Arguments of attention in the layout bhld."""

    q: mx.array
    k: mx.array
    v: mx.array
    mask: object
    scale: float | None

    def __repr__(self) -> str:
        mask = (self.mask.shape, self.mask.dtype) if isinstance(self.mask, mx.array) else self.mask
        return f"q {self.q.shape} k {self.k.shape} v {self.v.shape} {self.q.dtype} mask {mask} scale {self.scale}"


@st.composite
def cases(draw: st.DrawFn, longest: int = 17) -> Case:
    B, Hkv, G = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    Lq, Lk = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    d, dv = draw(st.sampled_from([1, 3, 8, 33, 64])), draw(st.sampled_from([None, 5]))
    dtype, seed = draw(st.sampled_from(DTYPES)), draw(SEEDS)
    q, k = normal(seed, B, Hkv * G, Lq, d), normal(seed + 1, B, Hkv, Lk, d)
    v = normal(seed + 2, B, Hkv, Lk, dv or d)
    kind = draw(st.sampled_from(["none", "causal", "bool", "float32", "float16", "bfloat16"]))
    mask: object = {"none": None, "causal": "causal"}.get(kind)
    if kind not in ("none", "causal"):
        full = (B, Hkv * G, Lq, Lk)
        axes = draw(st.integers(1, 4))
        shape = [size if draw(st.booleans()) else 1 for size in full][-axes:]
        sees = mx.random.uniform(shape=shape, key=mx.random.key(seed + 3)) < draw(st.sampled_from([0.1, 0.6]))
        if kind == "bool":
            mask = sees
        else:
            lowest = draw(st.sampled_from([-float("inf"), -30.0, float(np.finfo(np.float32).min)]))
            mask = mx.where(sees, normal(seed + 4, *shape), lowest).astype(getattr(mx, kind))
    scale = draw(st.sampled_from([None, 0.3]))
    return Case(q.astype(dtype), k.astype(dtype), v.astype(dtype), mask, scale)


def outputs_and_gradients(case: Case, compute: Callable[..., mx.array]) -> list[np.ndarray]:
    """The output and the gradients of q, k, v and of a floating point mask."""
    weight = normal(7, *case.q.shape[:3], case.v.shape[-1])
    arrays = [case.q, case.k, case.v]
    if isinstance(case.mask, mx.array) and case.mask.dtype != mx.bool_:
        arrays.append(case.mask)

    def loss(q: mx.array, k: mx.array, v: mx.array, mask: object = case.mask) -> tuple[mx.array, mx.array]:
        out = compute(q, k, v, mask=mask, scale=case.scale)
        assert out.dtype == case.q.dtype
        return (weight * out.astype(mx.float32)).sum(), out

    (_, out), gradients = mx.value_and_grad(loss, argnums=list(range(len(arrays))))(*arrays)
    assert [g.dtype for g in gradients] == [a.dtype for a in arrays]
    return [np.array(a.astype(mx.float32)) for a in (out, *gradients)]


def agree(found: list[np.ndarray], expected: list[np.ndarray], case: Case, of_mlx: bool = False) -> None:
    tolerance = TOLERANCE_OF_MLX if of_mlx else TOLERANCE
    coarsest = max(tolerance[case.q.dtype], tolerance.get(getattr(case.mask, "dtype", None), 0))
    more = 4 if of_mlx and case.q.dtype != mx.float32 else 1
    for name, ours, theirs in zip(("out", "d_q", "d_k", "d_v", "d_mask"), found, expected, strict=False):
        assert ours.shape == theirs.shape
        error = np.abs(ours - theirs).max() / max(1, np.abs(theirs).max())
        allowed = coarsest * more if name == "d_mask" else tolerance[case.q.dtype]
        assert error <= allowed, (name, error)  # false for a nan too


def with_backend(name: str, layout: str = "bhld") -> Callable[..., mx.array]:
    def compute(*arrays: mx.array, **options: object) -> mx.array:
        if layout == "blhd":
            arrays = tuple(a.swapaxes(1, 2) for a in arrays)
        out = attention(*arrays, **options, backend=name, layout=layout)  # type: ignore[arg-type, misc]
        return out.swapaxes(1, 2) if layout == "blhd" else out

    return compute


@settings(deadline=None, max_examples=60)
@given(cases(), st.sampled_from(["bhld", "blhd"]))
def test_all_backends_agree_forward_and_backward(case: Case, layout: str) -> None:
    expected = outputs_and_gradients(case, with_backend("reference"))
    for name in BACKENDS:
        of_mlx = name == "fused" or (name == "auto" and "cpu" not in BACKENDS)
        agree(outputs_and_gradients(case, with_backend(name, layout)), expected, case, of_mlx)


@settings(deadline=None, max_examples=60)
@given(cases(), st.sampled_from([1, 40, 200]), st.booleans())
def test_any_number_of_blocks_gives_the_same(case: Case, block: int, cpu: bool) -> None:
    from hrm_ops._attention._attention import LINUX_CPU

    kernel = replace(LINUX_CPU if cpu and "cpu" in BACKENDS else _blocks.PLAIN, block=block)

    def in_blocks(q: mx.array, k: mx.array, v: mx.array, mask: object, scale: float | None) -> mx.array:
        inputs = read_inputs(q, k, v, scale, mask, "bhld").without_blind_queries()  # type: ignore[arg-type]
        out = _blocks.attention(inputs, kernel)
        return mx.pad(out, [(0, 0), (0, 0), (q.shape[2] - out.shape[2], 0), (0, 0)])

    expected = outputs_and_gradients(case, with_backend("reference"))
    agree(outputs_and_gradients(case, in_blocks), expected, case)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.sampled_from([2, 8, 32]))
def test_attention_is_softmax_of_scaled_scores_times_values(seed: int, H: int, L: int, S: int, d: int) -> None:
    q, k, v = normal(seed, 2, H, L, d), normal(seed + 1, 2, H, S, d), normal(seed + 2, 2, H, S, d)
    plain = mx.softmax(q @ k.swapaxes(-1, -2) / d**0.5, axis=-1) @ v
    for name in BACKENDS:
        close(attention(q, k, v, backend=name), plain, rtol=1e-4, atol=2e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("Lq", "Lk"), [(4, 4), (2, 5), (5, 2)])
def test_the_last_query_of_causal_attention_sees_all_keys(backend: str, Lq: int, Lk: int) -> None:
    q, k, v = normal(0, 1, 1, Lq, 8), normal(1, 1, 1, Lk, 8), mx.eye(Lk)[None, None]
    weights = np.array(attention(q, k, v, mask="causal", backend=backend))[0, 0]  # type: ignore[arg-type]
    sees = np.arange(Lk) <= np.arange(Lq)[:, None] + Lk - Lq
    assert ((weights > 0) == sees).all()
    np.testing.assert_allclose(weights.sum(axis=-1), sees.any(axis=-1), atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["bool", "additive"])
def test_a_query_that_sees_nothing_gives_zero_and_passes_no_gradient(backend: str, kind: str) -> None:
    q, k, v = (normal(seed, 1, 2, 4, 8) for seed in range(3))
    mask = mx.arange(4)[:, None] != mx.full((4, 4), 2)
    if kind == "additive":
        mask = mx.where(mask, 0.0, -mx.inf)
    found = outputs_and_gradients(Case(q, k, v, mask, None), with_backend(backend))
    assert all(np.isfinite(a).all() for a in found)
    out, d_q = found[:2]
    assert not out[:, :, 2].any()
    assert not d_q[:, :, 2].any()
    assert out[:, :, 1].all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_key_that_no_query_sees_gets_a_gradient_of_exactly_zero(backend: str) -> None:
    q, k, v = (normal(seed, 2, 2, 5, 8) for seed in range(3))
    mask = mx.arange(5) != 3
    _, _, d_k, d_v = outputs_and_gradients(Case(q, k, v, mask, None), with_backend(backend))
    assert not d_k[:, :, 3].any()
    assert not d_v[:, :, 3].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_lowest_finite_number_everywhere_is_not_a_query_that_sees_nothing(backend: str) -> None:
    q, v = normal(0, 1, 1, 2, 4), normal(1, 1, 1, 6, 4)
    mask = mx.full((2, 6), float(np.finfo(np.float32).min))
    expected = mx.broadcast_to(v.mean(axis=2, keepdims=True), (1, 1, 2, 4))
    close(attention(q, v, v, mask=mask, backend=backend), expected, rtol=1e-5, atol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [100.0, 1e4])
def test_large_scores_do_not_overflow(backend: str, size: float) -> None:
    q, k, v = size * normal(0, 1, 2, 6, 8), size * normal(1, 1, 2, 6, 8), normal(2, 1, 2, 6, 8)
    found = outputs_and_gradients(Case(q, k, v, None, None), with_backend(backend))
    assert all(np.isfinite(a).all() for a in found)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.permutations(range(7)))
def test_attention_does_not_depend_on_the_order_of_keys_and_values(seed: int, order: list[int]) -> None:
    q, k, v = normal(seed, 2, 2, 5, 8), normal(seed + 1, 2, 2, 7, 8), normal(seed + 2, 2, 2, 7, 8)
    order_ = mx.array(order)
    close(attention(q, k[:, :, order_], v[:, :, order_]), attention(q, k, v))


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_axes_give_empty_or_zero_results(backend: str) -> None:
    full, none = mx.ones((2, 3, 4, 8)), mx.zeros((2, 3, 0, 8))
    assert attention(none, full, full, backend=backend).shape == (2, 3, 0, 8)  # type: ignore[arg-type]
    assert not attention(full, none, none, backend=backend).any().item()  # type: ignore[arg-type]
    nobody = mx.zeros((0, 3, 4, 8))
    assert attention(nobody, nobody, nobody, backend=backend).shape == (0, 3, 4, 8)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "reference"])
def test_compiled_attention_gives_the_same(backend: str) -> None:
    q, k, v = (normal(seed, 2, 4, 40, 16) for seed in range(3))

    def gradients(q: mx.array, k: mx.array, v: mx.array) -> list[mx.array]:
        f = with_backend(backend)
        return mx.grad(lambda *a: f(*a, mask="causal").square().sum(), argnums=(0, 1, 2))(q, k, v)

    for a, b in zip(mx.compile(gradients)(q, k, v), gradients(q, k, v), strict=True):
        close(a, b, rtol=1e-4, atol=1e-4)


L, HEADS, WIDTH = 4096, 2, 16


@pytest.mark.skipif(mx.cuda.is_available(), reason="MLX frees memory there after many operations, not after each")
@pytest.mark.parametrize(
    ("mask", "task"),
    [(None, "forward"), (None, "backward"), ("causal", "backward"), ("padding", "backward"), ("causal", "compiled")],
)
def test_memory_is_that_of_the_output_and_of_some_blocks_not_of_all_scores(mask: str | None, task: str) -> None:
    dtype = mx.bfloat16 if mask == "causal" else mx.float32
    q, k, v = (normal(seed, 1, HEADS, L, WIDTH).astype(dtype) for seed in range(3))
    given_mask = mx.arange(L) < L - 100 if mask == "padding" else mask
    mx.eval(q, k, v, given_mask)

    def forward(q: mx.array, k: mx.array, v: mx.array) -> mx.array:
        return attention(q, k, v, mask=given_mask)  # type: ignore[arg-type]

    def backward(q: mx.array, k: mx.array, v: mx.array) -> list[mx.array]:
        return mx.grad(lambda *a: forward(*a).square().sum(), argnums=(0, 1, 2))(q, k, v)

    compute = {"forward": forward, "backward": backward, "compiled": mx.compile(backward)}[task]
    mx.clear_cache()
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    mx.eval(compute(q, k, v))
    scores_of_one_head = 4 * L * L
    assert mx.get_peak_memory() - before < scores_of_one_head


def test_auto_takes_the_cpu_kernels_there_and_says_why() -> None:
    q = mx.zeros((1, 8, 512, 64))
    chosen = attention_backend(q, q, q)
    assert isinstance(chosen, AttentionBackend)
    assert chosen.name == ("cpu" if "cpu" in BACKENDS else "fused")
    assert len(chosen.reason) > 20


@pytest.mark.skipif("cpu" not in BACKENDS, reason="Linux CPU only")
def test_auto_leaves_few_scores_to_mlx() -> None:
    q = mx.zeros((1, 1, 8, 8))
    chosen = attention_backend(q, q, q)
    assert chosen.name == "fused"
    assert "64 scores" in chosen.reason


@pytest.mark.skipif("cpu" in BACKENDS, reason="elsewhere than on a Linux CPU")
def test_auto_does_not_hold_all_scores_of_a_long_sequence() -> None:
    q = mx.zeros((1, 8, 8192, 24))  # a head size without a fused kernel
    assert attention_backend(q, q, q).name == "chunked"


def test_a_backend_that_is_asked_for_is_taken() -> None:
    q = mx.zeros((1, 8, 512, 64))
    assert attention_backend(q, q, q, backend="reference") == AttentionBackend("reference", "asked for")


X = mx.zeros((2, 4, 5, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q": mx.zeros((4, 5, 8))}, r"q must have 4 axes \(b h l d\), but is \(4, 5, 8\)"),
        (
            {"k": mx.zeros((2, 4, 5, 8, 1)), "layout": "blhd"},
            r"k must have 4 axes \(b l h d\), but is \(2, 4, 5, 8, 1\)",
        ),
        ({"q": np.zeros((2, 4, 5, 8), np.float32)}, r"q must be an mlx.core.array, but is a ndarray"),
        ({"v": None}, r"v must be an mlx.core.array, but is a NoneType"),
        ({"q": X.astype(mx.int32)}, r"q must be float32, bfloat16 or float16, but is mlx.core.int32"),
        ({"v": X.astype(mx.float16)}, r"v must have the dtype of q, mlx.core.float32, but is mlx.core.float16"),
        ({"k": mx.zeros((3, 4, 5, 8))}, r"k must have the batch size of q, 2, but has 3"),
        ({"k": mx.zeros((2, 3, 5, 8))}, r"k has 3 heads, but their number must divide the 4 heads of q"),
        ({"k": mx.zeros((2, 4, 5, 7))}, r"k must have the head size of q, 8, but has 7"),
        ({"v": mx.zeros((2, 2, 5, 8))}, r"v must have as many heads as k, 4, but has 2"),
        ({"v": mx.zeros((2, 4, 6, 8))}, r"v must be as long as k, 5, but has length 6"),
        ({"q": X[..., :0], "k": X[..., :0]}, r"q has heads of size 0"),
        ({"mask": "full"}, r"mask must be None, 'causal' or an array, but is 'full'"),
        ({"mask": [[True]]}, r"mask must be None, 'causal' or an array, but is a list"),
        ({"mask": mx.zeros((5, 5), mx.int32)}, r"mask must be bool or floating point, but is mlx.core.int32"),
        ({"mask": mx.zeros((5, 4))}, r"mask must broadcast to \[B, H, Lq, Lk\] = \(2, 4, 5, 5\), but is \(5, 4\)"),
        ({"mask": mx.zeros((1, 2, 4, 5, 5))}, r"mask must broadcast to .* but is \(1, 2, 4, 5, 5\)"),
        ({"layout": "lbhd"}, r"layout must be 'bhld' or 'blhd', but is 'lbhd'"),
        ({"backend": "flash"}, r"backend must be one of auto, fused, chunked, cpu, reference, but is 'flash'"),
        ({"scale": "big"}, r"scale must be a number, but is 'big'"),
    ],
)
def test_wrong_arguments_are_named_with_what_was_expected_and_what_came(
    changes: dict[str, object], message: str
) -> None:
    arguments = {"q": X, "k": X, "v": X} | changes
    for _ in range(2):  # what was found right is remembered, what was found wrong is not
        with pytest.raises(HRMOpsError, match=rf"^\[attention\] {message}"):
            attention(**arguments)  # type: ignore[arg-type]


def test_arguments_that_fit_are_still_told_from_others_of_the_same_shapes() -> None:
    assert attention(X, X, X).shape == X.shape
    with pytest.raises(HRMOpsError, match="k must have the dtype of q"):
        attention(X, X.astype(mx.float16), X)
    with pytest.raises(HRMOpsError, match="mask must be None, 'causal' or an array, but is 'Causal'"):
        attention(X, X, X, mask="Causal")  # type: ignore[arg-type]
    assert attention(X, X, X, layout="blhd").shape == X.shape
    with pytest.raises(HRMOpsError, match="mask must broadcast"):
        attention(X, X, X, mask=mx.zeros((5, 5)), layout="blhd")


def test_the_cpu_kernels_are_refused_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(HRMOpsError, match="backend 'cpu' serves MLX's CPU backend under Linux"):
        attention(X, X, X, backend="cpu")
