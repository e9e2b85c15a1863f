"""A report of training metrics, read back from the device at intervals."""

from hrm_model import HRMConfig
from mlx.utils import tree_map

from hrm_train._config import TrainConfig
from hrm_train.ranks._ranks import Ranks
from hrm_train.run._callbacks import Report
from hrm_train.run._meter import Meter, matmul_rate, train_flops
from hrm_train.step._step import TrainStep


def new_meter(config: HRMConfig, slots: int, ranks: Ranks) -> Meter:
    """Measure the peak rate of all ranks' devices, and return a meter that compares with it."""
    peak = sum(float(text) for text in ranks.texts(str(matmul_rate(config.dtype))))
    return Meter(slots, slots * train_flops(config), peak)


def read_report(step: TrainStep, config: TrainConfig, done: int, meter: Meter) -> Report:
    """Return the metrics since the last report, read back from the device."""
    sums, skipped = tree_map(lambda array: array.tolist(), (step.metrics, step.skipped["count"]))
    count = max(1, sums.pop("count"))
    halting_steps = [int(slots) for slots in sums.pop("halting_steps")]
    summed = (done - 1) % config.log_interval + 1 - skipped  # includes steps before a resume
    losses = {name: sums.pop(name) / max(1, summed * config.global_batch_size) for name in list(sums) if "loss" in name}
    return {
        "step": done,
        **losses,
        **{name: total / count for name, total in sums.items()},
        "halting_steps": halting_steps,
        "skipped": skipped,
        "lr": step.optimizer.learning_rate.item(),
        **meter.lap(done),
    }
