"""The estimate of how long a step takes, which leaves model and run as they are."""

import mlx.core as mx
import pytest
from hrm_train import Ranks, step_seconds
from mlx.utils import tree_flatten


@pytest.mark.parametrize("products", [1e-9, 0.1], ids=["counted", "timed"])
def test_a_larger_batch_takes_longer_and_the_model_stays(make_model, make_config, monkeypatch, products) -> None:
    monkeypatch.setattr("hrm_train.run._duration._PRODUCTS", products)
    monkeypatch.setattr("hrm_train.run._duration.matmul_rate", lambda dtype: 1e9)
    model = make_model()
    before = [(name, mx.array(array)) for name, array in tree_flatten(model.parameters())]
    small, large = (
        step_seconds(model, make_config(global_batch_size=slots, micro_batch_size=8), Ranks()) for slots in (8, 8 * 500)
    )
    assert 0 < 50 * small < large
    after = dict(tree_flatten(model.parameters()))
    assert all((array == after[name]).all() for name, array in before)


def test_a_model_that_is_too_large_to_be_timed_is_estimated_from_its_operations(
    make_model, make_config, monkeypatch
) -> None:
    monkeypatch.setattr("hrm_train.run._duration._timed", lambda *_: pytest.fail("timed"))
    monkeypatch.setattr("hrm_train.run._duration.train_flops", lambda config: 1e15)
    monkeypatch.setattr("hrm_train.run._duration.matmul_rate", lambda dtype: 1e12)
    assert step_seconds(make_model(), make_config(global_batch_size=4)) == pytest.approx(4 * 1e3 / 0.7)
