"""How a batch is divided among ranks and micro-batches."""

import pytest
from hrm_train import HRMTrainError, TrainConfig


def test_a_batch_is_divided_evenly_or_refused() -> None:
    assert TrainConfig(global_batch_size=12, micro_batch_size=3).slots_per_rank(2) == 6
    with pytest.raises(HRMTrainError, match="global_batch_size is 12, but must be a multiple of 5 ranks"):
        TrainConfig(global_batch_size=12).slots_per_rank(5)
    with pytest.raises(HRMTrainError, match="micro_batch_size is 4, but must divide the 6 slots of each of 2 ranks"):
        TrainConfig(global_batch_size=12, micro_batch_size=4).slots_per_rank(2)
