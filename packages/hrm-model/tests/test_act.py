from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import (
    HRM,
    Batch,
    Carry,
    HRMConfig,
    HRMModelError,
    Predictor,
    act_step,
    fill_halted_slots,
    initial_carry,
    slots,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def advanced(model: HRM, batch: Batch, halted: list[bool]) -> Carry:
    """A carry after one step, with the halted slots as asked."""
    carry = fill_halted_slots(model, initial_carry(model.config, 4), batch)
    carry, _ = act_step(model, carry, model.puzzle_rows(carry["puzzle_identifiers"]), training=True)
    return Carry(**{**carry, "halted": mx.array(halted)})


def test_a_new_carry_is_all_halted_slots(make_config: Callable[..., HRMConfig]) -> None:
    carry = initial_carry(make_config(), 3)
    assert carry["halted"].all().item()
    assert carry["z_H"].shape == carry["z_L"].shape == (3, 17, 16)


@settings(deadline=None, max_examples=16)
@given(halted=st.lists(st.booleans(), min_size=4, max_size=4))
def test_halted_slots_start_anew_and_the_others_keep_everything(halted: list[bool], model_and_batches) -> None:
    model, first, second = model_and_batches
    before = advanced(model, first, halted)
    after = fill_halted_slots(model, before, second)
    shape = before["z_H"][0].shape
    for slot, is_halted in enumerate(halted):
        if is_halted:
            assert mx.array_equal(after["z_H"][slot], mx.broadcast_to(model.H_init, shape))
            assert mx.array_equal(after["z_L"][slot], mx.broadcast_to(model.L_init, shape))
            assert after["steps"][slot].item() == 0
        for name in Batch.__annotations__:
            source = second if is_halted else first
            assert mx.array_equal(after[name][slot], source[name][slot])
        if not is_halted:
            for name in ("z_H", "z_L", "steps"):
                assert mx.array_equal(after[name][slot], before[name][slot])


@pytest.fixture(scope="module")
def model_and_batches() -> tuple[HRM, Batch, Batch]:
    mx.random.seed(0)
    config = HRMConfig(
        H_layers=1, L_layers=1, hidden_size=16, num_heads=2, expansion=1.0, puzzle_emb_ndim=16, halt_max_steps=4,
        halt_exploration_prob=0.0, forward_dtype="float32", seq_len=16, vocab_size=7, num_puzzle_identifiers=9,
    )  # fmt: skip

    def batch(seed: int) -> Batch:
        k = mx.random.split(mx.random.key(seed), 3)
        ids = mx.arange(4) + 4 * seed
        return Batch(
            inputs=mx.random.randint(0, 7, (4, 16), key=k[0]),
            labels=mx.random.randint(0, 7, (4, 16), key=k[1]),
            puzzle_identifiers=ids,
        )

    return HRM(config), batch(0), batch(1)


@pytest.mark.parametrize("name", ["labels", "puzzle_identifiers"])
def test_a_batch_that_lacks_what_a_slot_needs_is_refused_by_name(
    name: str, make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model()
    batch = {key: array for key, array in make_batch(model.config).items() if key != name}
    with pytest.raises(HRMModelError, match=f"the batch has no {name}"):
        fill_halted_slots(model, initial_carry(model.config, 4), batch)


def test_the_target_for_continuing_is_what_the_next_step_is_worth(
    make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model(halt_max_steps=2)
    carry = fill_halted_slots(model, initial_carry(model.config, 4), make_batch(model.config))
    rows = model.puzzle_rows(carry["puzzle_identifiers"])
    carry = Carry(**{**carry, "steps": mx.array([0, 1, 0, 1])})
    new, out = act_step(model, carry, rows, training=True)
    q = np.array(model(new["z_H"], new["z_L"], model.embed(carry["inputs"], rows)).q_logits)
    best = np.where([False, True, False, True], q[:, 0], q.max(axis=1))
    assert out.target_q_continue is not None
    np.testing.assert_allclose(np.array(out.target_q_continue), 1 / (1 + np.exp(-best)), rtol=1e-5)


@pytest.mark.parametrize(("training", "limit"), [(False, 4), (True, 1)])
def test_there_is_no_target_outside_training_or_with_a_single_step(
    training: bool, limit: int, make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model(halt_max_steps=limit)
    carry = fill_halted_slots(model, initial_carry(model.config, 4), make_batch(model.config))
    _, out = act_step(model, carry, model.puzzle_rows(carry["puzzle_identifiers"]), training)
    assert out.target_q_continue is None


def test_with_halting_by_bce_alone_continuing_is_worth_zero_and_there_is_no_target(
    make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    learned, alone = make_model(), make_model(halt_loss="bce")
    batch = make_batch(learned.config)
    outputs = []
    for model in (learned, alone):
        carry = fill_halted_slots(model, initial_carry(model.config, 4), batch)
        rows = model.puzzle_rows(carry["puzzle_identifiers"])
        outputs.append(act_step(model, carry, rows, training=True, least=mx.zeros((4,), mx.int32)))
    (_, two), (carry, one) = outputs
    assert mx.array_equal(one.q_halt_logits, two.q_halt_logits)
    assert one.q_continue_logits.tolist() == [0, 0, 0, 0]
    assert one.target_q_continue is None
    assert carry["halted"].tolist() == (one.q_halt_logits > 0).tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 4])
@pytest.mark.parametrize("E", [0, 20])
def test_the_predictor_gives_what_a_loop_over_steps_gives(
    batch_size: int, E: int, make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model(puzzle_emb_ndim=E)
    batch = make_batch(model.config, batch_size)
    carry = fill_halted_slots(model, initial_carry(model.config, batch_size), batch)
    halts_at = np.full(batch_size, 4)
    for step in range(4, 0, -1):  # the earliest wins
        trial = fill_halted_slots(model, initial_carry(model.config, batch_size), batch)
        for _ in range(step):
            trial, out = act_step(model, trial, model.puzzle_rows(trial["puzzle_identifiers"]), training=False)
        halts_at[np.array(out.q_halt_logits > out.q_continue_logits)] = step
    for _ in range(4):
        carry, out = act_step(model, carry, model.puzzle_rows(carry["puzzle_identifiers"]), training=False)
    prediction = Predictor(model)(batch)
    np.testing.assert_allclose(np.array(prediction.logits), np.array(out.logits), atol=1e-4)
    np.testing.assert_allclose(np.array(prediction.q_halt_logits), np.array(out.q_halt_logits), atol=1e-4)
    np.testing.assert_allclose(np.array(prediction.q_continue_logits), np.array(out.q_continue_logits), atol=1e-4)
    assert prediction.halting_steps.tolist() == halts_at.tolist()
    assert mx.array_equal(prediction.tokens, prediction.logits.argmax(axis=-1))


def test_the_predictor_sees_new_weights_and_new_batch_sizes(
    make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model()
    predictor, batch = Predictor(model), make_batch(model.config)
    before = predictor(batch).logits
    assert predictor(slots(batch, slice(0, 1))).logits.shape == (1, 16, 7)
    model.lm_head.weight = 2 * model.lm_head.weight
    np.testing.assert_allclose(np.array(predictor(batch).logits), 2 * np.array(before), rtol=1e-3, atol=1e-4)


def test_the_predictor_needs_inputs_only(make_model: Callable[..., HRM], make_batch: Callable[..., Batch]) -> None:
    model = make_model()
    batch = make_batch(model.config)
    whole = Predictor(model)({**batch, "puzzle_identifiers": mx.zeros((4,), mx.int32)})
    assert mx.array_equal(Predictor(model)({"inputs": batch["inputs"]}).logits, whole.logits)
    unlabelled = Batch(inputs=batch["inputs"], puzzle_identifiers=batch["puzzle_identifiers"])
    assert mx.array_equal(Predictor(model)(unlabelled).logits, Predictor(model)(batch).logits)
