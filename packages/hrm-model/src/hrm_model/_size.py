"""The parameters and the memory of a model, computed from its configuration before anything is allocated."""

from functools import cache
from typing import NamedTuple

from hrm_ops import device_info, swiglu_width

from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError

_FLOAT = 4  # bytes of a float32
_GIB = 2**30


class ModelSize(NamedTuple):
    """What a model consists of.

    Attributes:
        dense: Numbers in all weights but the puzzle table.
        table: Numbers in the puzzle table.
        constants: Numbers in arrays that are not trained: which position belongs to which group.
    """

    dense: int
    table: int
    constants: int

    @property
    def parameters(self) -> int:
        """Numbers in all parameters."""
        return self.dense + self.table


def model_size(config: HRMConfig) -> ModelSize:
    """Return the size of the model of a configuration; nothing is allocated.

    The parameters are those of `HRM(config)`, fixed initial states included.
    """
    D, geometry = config.hidden_size, config.geometry
    symbols = config.symbol_equivariant and geometry is not None
    dense = 2 * D  # H_init, L_init
    if symbols:
        assert geometry is not None
        dense += 2 * (1 + config.vocab_size - len(geometry.symbols)) * D  # embed_tokens
        dense += (1 + len(geometry.constants)) * D if geometry.constants else 0  # embed_planes
        dense += D  # lm_head
    else:
        dense += 2 * config.vocab_size * D  # embed_tokens, lm_head
    if config.pos_encodings == "learned":
        dense += config.total_len * D
    if config.pos_encodings == "grid":
        dense += sum(_groups(config)) * D
    if config.halt_loss != "none":
        dense += 2 * D + 2
    layers = sum(config.plan.networks.values())
    dense += layers * _block(config)
    constants = 2 * layers * sum(_groups(config)) * config.seq_len if config.mixer == "groups" else 0
    constants += config.planes * config.vocab_size if symbols else 0
    return ModelSize(dense, config.num_puzzle_identifiers * config.puzzle_row_width, constants)


def multiplications(config: HRMConfig) -> int:
    """Return about how many multiplications a puzzle takes in all layers: each weight at each position, once."""
    return model_size(config).dense * config.state_len


def check_memory(
    config: HRMConfig, batch_size: int = 1, *, training: bool = False, bits: int = 32, memory: int | None = None
) -> None:
    """Raise if a model cannot fit into the memory of the machine.

    What is compared is the least that any computation needs: the weights, when training with their gradients and the
    two averages of Adam-atan2, the states, and the logits. Activations come on top.

    Args:
        config: The model.
        batch_size: Puzzles that it works on at once.
        training: Whether it is to be trained.
        bits: Bits of a weight.
        memory: Bytes; those of MLX's default device when left out.

    Raises:
        HRMModelError: With the parameters, the memory that they need, and the memory of the machine.
    """
    size = model_size(config)
    half = config.forward_dtype == "bfloat16"
    states = 2 * config.state_len * config.hidden_size + config.seq_len * config.vocab_size
    weights = size.dense * (4 * _FLOAT if training else bits / 8) + size.table * bits / 8
    needed = weights + size.constants * _FLOAT + batch_size * states * (_FLOAT // 2 if half else _FLOAT)
    available = _machine() if memory is None else memory
    if needed > available:
        what = "train" if training else "run"
        raise HRMModelError(
            f"a model of {size.parameters:,} parameters (hidden_size {config.hidden_size}, {config.H_layers}+"
            f"{config.L_layers} layers, {config.num_puzzle_identifiers:,} puzzle identifiers) needs at least "
            f"{needed / _GIB:,.1f} GiB to {what} on {batch_size:,} puzzles of {config.seq_len:,} tokens at once, but "
            f"this machine has {available / _GIB:,.1f} GiB; choose a smaller model or fewer puzzles at once"
        )


@cache
def _machine() -> int:
    """Bytes of memory that MLX's default device has."""
    return device_info().memory


def _block(config: HRMConfig) -> int:
    """Parameters of one block of a reasoning module."""
    D = config.hidden_size
    unit = _swiglu(config, D)
    if not config.on_board:
        return unit + (_swiglu(config, config.total_len) if config.mixer == "mlp" else 4 * D * D)
    attention = 4 * D * D
    positions = {"groups": len(_groups(config)) * D * D, "neighbours": 9 * D * D}.get(config.mixer, attention)
    symbols = (attention if config.mixer == "attention" else D * D) if config.symbol_equivariant else 0
    return unit + positions + symbols


def _swiglu(config: HRMConfig, dims: int) -> int:
    return 3 * dims * swiglu_width(dims, config.expansion, config.swiglu_multiple)


def _groups(config: HRMConfig) -> list[int]:
    """How many groups there are of each kind: rows, columns, and those that the task declares."""
    if config.geometry is None:
        return []
    columns = config.geometry.columns
    rows = -(-config.seq_len // columns)
    return [rows, min(columns, config.seq_len), *(max(group) + 1 for group in config.geometry.groups)]
