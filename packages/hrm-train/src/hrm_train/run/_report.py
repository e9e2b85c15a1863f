"""A report of training metrics, read back from the device at intervals."""

from hrm_model import HRMConfig

from hrm_train.ranks._ranks import Ranks
from hrm_train.run._callbacks import Report
from hrm_train.run._meter import Meter, matmul_rate, train_flops
from hrm_train.step._step import TrainStep


def new_meter(config: HRMConfig, slots: int, ranks: Ranks) -> Meter:
    """Measure the peak rate of all ranks' devices, and return a meter that compares with it."""
    peak = sum(float(text) for text in ranks.texts(str(matmul_rate(config.dtype))))
    return Meter(slots, slots * train_flops(config), peak)


def read_report(step: TrainStep, done: int, meter: Meter) -> Report:
    """Return the metrics since the last report, read back from the device."""
    means = {name: value for name, value in step.metrics.items() if name != "count"}
    return {
        "step": done,
        **means,
        "skipped": step.skipped["count"].item(),
        "lr": step.optimizer.learning_rate.item(),
        **meter.lap(done),
    }
