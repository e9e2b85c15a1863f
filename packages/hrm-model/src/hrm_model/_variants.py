"""The variants of the model: which networks each one has, and in which order these update its two states in a step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

VariantName = Literal["hrm", "trm", "transformer"]
"""Every variant, for settings and their help; `VARIANTS` has the plan of each."""


class Sizes(NamedTuple):
    """The settings from which a plan follows, as in `ArchConfig`."""

    H_layers: int
    L_layers: int
    H_cycles: int
    L_cycles: int


class Update(NamedTuple):
    """One call of a network: `state = network(state + the sum of what is added)`.

    Attributes:
        state: The state that is replaced, `z_H` or `z_L`.
        network: Name of the network.
        added: Other states, or `x`, the embedding of the puzzle.
    """

    state: str
    network: str
    added: tuple[str, ...]


class Plan(NamedTuple):
    """What one step of a variant computes.

    Attributes:
        networks: Number of blocks of each network; the names are those of its weights.
        updates: All calls of networks in a step; the last one is of `z_H`, from which the answer is read.
        with_gradient: How many of the last updates carry gradient.
    """

    networks: Mapping[str, int]
    updates: Sequence[Update]
    with_gradient: int


def hrm(sizes: Sizes) -> Plan:
    """The Hierarchical Reasoning Model: each module's last update carries gradient (arXiv 2506.21734, section 2)."""
    fast, slow = Update("z_L", "L_level", ("z_H", "x")), Update("z_H", "H_level", ("z_L",))
    cycle = [fast] * sizes.L_cycles + [slow]
    return Plan({"H_level": sizes.H_layers, "L_level": sizes.L_layers}, cycle * sizes.H_cycles, with_gradient=2)


def trm(sizes: Sizes) -> Plan:
    """The Tiny Recursive Model: one network, and the whole last cycle carries gradient (arXiv 2510.04871)."""
    fast, slow = Update("z_L", "L_level", ("z_H", "x")), Update("z_H", "L_level", ("z_L",))
    cycle = [fast] * sizes.L_cycles + [slow]
    return Plan({"L_level": sizes.L_layers}, cycle * sizes.H_cycles, with_gradient=len(cycle))


def transformer(sizes: Sizes) -> Plan:
    """The flat transformer: one network that runs once ("The Hidden Drivers of HRM's Performance on ARC-AGI", 2025)."""
    return Plan({"H_level": sizes.H_layers}, [Update("z_H", "H_level", ("x",))], with_gradient=1)


VARIANTS: Mapping[VariantName, Callable[[Sizes], Plan]] = {"hrm": hrm, "trm": trm, "transformer": transformer}
