"""The plan of a variant: what the model computes from it, and what follows from it."""

from collections.abc import Callable
from typing import get_args

import mlx.core as mx
import pytest
from hrm_model import HRM, HRMConfig, HRMModelError, model_size, reference_config
from hrm_model._variants import VARIANTS, Plan, Sizes, Update, VariantName
from hypothesis import given
from hypothesis import strategies as st
from mlx.utils import tree_flatten

NUMBERS = st.integers(1, 5)


def test_every_name_has_a_plan() -> None:
    assert VARIANTS.keys() == set(get_args(VariantName))


@given(st.sampled_from(list(VARIANTS.values())), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_plan_calls_its_networks_and_ends_with_the_slow_state(
    plan_of: Callable[[Sizes], Plan], H: int, L: int, N: int, T: int
) -> None:
    plan = plan_of(Sizes(H, L, N, T))
    assert {update.network for update in plan.updates} == plan.networks.keys()
    assert plan.updates[-1].state == "z_H"
    assert 1 <= plan.with_gradient <= len(plan.updates)
    assert {update.state for update in plan.updates} <= {"z_H", "z_L"}
    assert {name for update in plan.updates for name in update.added} <= {"z_H", "z_L", "x"}


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> str:
    """A variant of three networks, under a name that exists."""

    def plan(sizes: Sizes) -> Plan:
        updates = [
            Update("z_L", "first", ("x",)),
            Update("z_H", "second", ("z_L", "x")),
            Update("z_H", "third", ("z_L",)),
        ]
        return Plan({"first": 1, "second": 2, "third": 1}, updates, with_gradient=2)

    monkeypatch.setitem(VARIANTS, "trm", plan)  # type: ignore[attr-defined]
    return "trm"


def test_a_step_makes_the_calls_of_the_plan_and_the_last_ones_carry_gradient(
    made_up: str, make_model: Callable[..., HRM]
) -> None:
    model = make_model(variant=made_up, halt_loss="bce")
    x = model.embed(mx.array([[1] * model.config.seq_len]), model.puzzle_rows(mx.array([0])))
    z_H, z_L = mx.random.normal(x.shape), mx.random.normal(x.shape)
    rope = model.rope()
    first = model.first(z_L, x, rope)
    second = model.second(z_H, first + x, rope)
    expected = model.third(second, first, rope)
    found = model.reason(z_H, z_L, x)
    assert mx.allclose(found[0], expected, atol=1e-5).item()
    assert mx.allclose(found[1], first, atol=1e-5).item()

    def answer(weights: dict[str, object]) -> mx.array:
        model.update(weights)
        return model.reason(z_H, z_L, x)[0].square().sum()

    gradients = mx.grad(answer)(model.trainable_parameters())
    for name, carries in (("first", False), ("second", True), ("third", True)):
        assert any(g.any().item() for _, g in tree_flatten(gradients[name])) == carries
    assert model_size(model.config).parameters == sum(a.size for _, a in tree_flatten(model.parameters()))


def test_a_variant_that_no_release_knows_is_not_exported(make_model: Callable[..., HRM]) -> None:
    config = make_model().config.model_copy(update={"variant": "another"})
    with pytest.raises(HRMModelError, match="variant is another, but the releases know only hrm, trm, transformer"):
        reference_config(config)


def test_with_blank_identifiers_every_puzzle_reads_the_first_row(make_model: Callable[..., HRM]) -> None:
    model = make_model()
    model.puzzle_emb.weight = mx.random.normal(model.puzzle_emb.weight.shape)
    identifiers = mx.array([0, 1, model.config.num_puzzle_identifiers - 1])
    own = model.puzzle_rows(identifiers)
    assert own is not None
    assert not mx.array_equal(own[0], own[1])
    model.config = model.config.model_copy(update={"puzzle_identifiers": "blank"})
    blank = model.puzzle_rows(identifiers)
    assert blank is not None
    assert all(mx.array_equal(row, own[0]) for row in blank)
    with pytest.raises(HRMModelError, match="puzzle_identifiers is blank, but the reference knows only given"):
        reference_config(HRMConfig(**{**model.config.model_dump(), "pos_encodings": "rope"}))
