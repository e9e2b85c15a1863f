"""How long a training step will take on this device, from a measurement of less than a second."""

import time
from functools import partial

import mlx.core as mx
from hrm_model import HRM, Batch, initial_carry
from hrm_ops import lane_threads, lanes

from hrm_train._config import TrainConfig
from hrm_train.ranks._ranks import Ranks
from hrm_train.run._meter import matmul_rate, train_flops
from hrm_train.step._gradients import loss_and_gradients
from hrm_train.step._losses import act_loss

_PRODUCTS = 0.05  # seconds of the products of the timed slots at the peak rate; all their work takes a few times that
_TOO_LONG = 0.2  # seconds of the products of a single slot that is not timed
_LONG_ENOUGH = 0.3  # seconds after which the first call is not repeated
_COMPILED = 0.6  # of the time of the same step when it is not compiled
_PART_OF_PEAK = 0.7  # of a large product's rate, that the products of a large model reach


def step_seconds(model: HRM, config: TrainConfig, ranks: Ranks | None = None) -> float:
    """Estimate the seconds of one training step, before anything is compiled.

    It times the gradients of so many slots that their products are a twentieth of a second, and multiplies. If a single
    slot takes longer, it divides the operations of a step by the rate of a large product. Updates of the weights are
    not counted, and compiling helps some models more than others, so expect an error of a factor of two.

    Args:
        model: The model; it stays as it is, but random numbers are drawn.
        config: Gives batch, micro-batch and loss.
        ranks: The processes that train together; each must call this, and gets rank 0's estimate.
    """
    ranks = ranks or Ranks()
    slots = config.slots_per_rank(ranks.size)
    size = config.micro_batch_size or slots
    rate, parts = matmul_rate(model.config.dtype), len(lanes(size))
    with lane_threads(size):
        products = parts * train_flops(model.config) / rate  # seconds, of a slot in each lane
        share = size // parts
        timed = min(share, max(1, int(_PRODUCTS / products)))
        if timed * products < _TOO_LONG:
            seconds = _timed(model, config, timed, parts)
            if seconds < _LONG_ENOUGH:  # the first call may load kernels
                seconds = _timed(model, config, timed, parts)
            seconds *= _COMPILED * share / timed
        else:
            seconds = share * products / _PART_OF_PEAK
    mx.clear_cache()
    return float(ranks.texts(str(seconds * slots / size))[0])


def _timed(model: HRM, config: TrainConfig, slots: int, parts: int) -> float:
    """Seconds of the gradients of so many slots in each of some lanes."""
    start = time.perf_counter()
    gradients, loss = [], partial(act_loss, loss_type=config.loss_type)
    tokens = mx.zeros((slots, model.config.seq_len), mx.int32)
    batch = Batch(inputs=tokens, labels=tokens, puzzle_identifiers=mx.zeros((slots,), mx.int32))
    for stream in lanes(parts):
        with mx.stream(stream):
            carry = initial_carry(model.config, slots)
            gradients.append(loss_and_gradients(model, carry, batch, loss)[3])
    mx.eval(gradients)
    return time.perf_counter() - start
