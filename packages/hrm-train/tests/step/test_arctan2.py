import mlx.core as mx
import numpy as np
from hrm_train.step._arctan2 import arctan2
from hypothesis import given, settings
from hypothesis import strategies as st

EDGES = np.array([0, -0.0, 1e-37, -1e-37, 1e-20, -1e-20, 1, -1, 1e20, -1e20, 3e38, -3e38], np.float32)


def exact(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.arctan2(y.astype(np.float64), x.astype(np.float64))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(-30, 30), st.integers(-30, 30), st.sampled_from([16, 20_000]))
def test_it_is_the_angle_to_a_relative_error_of_3e_7(seed: int, y_scale: int, x_scale: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    y = (rng.standard_normal(size) * 10.0**y_scale).astype(np.float32)
    x = np.abs(rng.standard_normal(size) * 10.0**x_scale).astype(np.float32)
    for f in (arctan2, mx.compile(arctan2)):
        np.testing.assert_allclose(np.array(f(mx.array(y), mx.array(x))), exact(y, x), rtol=3e-7, atol=1e-37)


def test_edges_agree_with_the_plain_function_in_large_arrays_as_in_small_ones() -> None:
    y, x = (a.reshape(-1) for a in np.meshgrid(EDGES, np.abs(EDGES)))
    many = [np.resize(a, 144 * 100).reshape(100, 144) for a in (y, x)]
    for f in (arctan2, mx.compile(arctan2)):
        angles = np.array(f(*map(mx.array, many)))
        np.testing.assert_allclose(angles, exact(*many), rtol=3e-7, atol=1e-30)
        np.testing.assert_array_equal(angles[0], np.array(f(*map(mx.array, many)))[-1])
