"""Predictors in many threads, and after calls that raised."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, ContinuousPredictor, HRMModelError, Noise, Predictor, load_model, save_weights
from hypothesis import given, settings
from hypothesis import strategies as st

Call = Callable[[], Any]


@pytest.fixture
def model(make_model: Callable[..., HRM]) -> HRM:
    return make_model(halt_max_steps=3)


def puzzles(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"inputs": rng.integers(0, 7, (count, 16)), "puzzle_identifiers": rng.integers(0, 5, count)}


def fixed(model: HRM, batch: dict[str, np.ndarray]) -> Call:
    predictor = Predictor(model)
    return lambda: predictor({name: mx.array(array) for name, array in batch.items()}).logits.tolist()


def continuous(model: HRM, batch: dict[str, np.ndarray]) -> Call:
    predictor = ContinuousPredictor(model, 4, trace=True, noise=Noise(0.1))
    return lambda: list(predictor([batch]))


def op_by_op(model: HRM, batch: dict[str, np.ndarray]) -> Call:
    predictor = ContinuousPredictor(model, 4, compiled=False)
    return lambda: list(predictor([batch]))


KINDS = pytest.mark.parametrize("kind", [fixed, continuous, op_by_op])


@KINDS
def test_every_thread_gets_the_answers_of_the_main_thread(kind: Any, model: HRM) -> None:
    calls = [kind(model, puzzles(count, count)) for count in (1, 3, 4, 6)]
    expected = [call() for call in calls]
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(calls[i % len(calls)]) for i in range(40)]
        meanwhile = [call() for call in calls]
        found = [future.result() for future in futures]
    assert meanwhile == expected
    assert found == [expected[i % len(calls)] for i in range(40)]


@KINDS
def test_coroutines_may_call_through_threads(kind: Any, model: HRM) -> None:
    call = kind(model, puzzles(3))

    async def several() -> list[Any]:
        return await asyncio.gather(*(asyncio.to_thread(call) for _ in range(6)))

    assert asyncio.run(several()) == [call()] * 6


@KINDS
def test_a_model_that_was_loaded_in_a_thread_answers_in_every_other(kind: Any, model: HRM, tmp_path: Path) -> None:
    save_weights(model, tmp_path / "weights.safetensors")
    batch = puzzles(3)

    def in_a_thread(function: Callable[..., Any], *args: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function, *args).result()

    call = in_a_thread(lambda: kind(load_model(tmp_path / "weights.safetensors"), batch))
    assert call() == in_a_thread(call) == kind(model, batch)()


@KINDS
def test_a_model_that_was_made_in_a_thread_answers_in_every_other(kind: Any, make_config: Callable[..., Any]) -> None:
    def make() -> Call:
        return kind(HRM(make_config()), puzzles(3))

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(make).result()
        assert pool.submit(call).result() == call()


def test_iterators_of_two_threads_take_turns_and_one_can_be_handed_over(model: HRM) -> None:
    predictor = ContinuousPredictor(model, 4)
    batches = [puzzles(3, seed) for seed in range(8)]
    expected = list(predictor(batches))
    turns = [threading.Semaphore(1), threading.Semaphore(0)]
    found: list[list[Any]] = [[], []]

    def drawn(own: int) -> Iterator[dict[str, np.ndarray]]:
        thread = threading.current_thread()
        for batch in batches:
            assert threading.current_thread() is thread  # a user's iterable is drawn where it is used
            yield batch

    def work(own: int) -> None:
        answers = predictor(drawn(own))
        for _ in expected:
            turns[own].acquire()
            found[own].append(next(answers))
            turns[1 - own].release()

    threads = [threading.Thread(target=work, args=(own,)) for own in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected, expected]

    answers = predictor(batches)
    first = [next(answers) for _ in range(5)]
    with ThreadPoolExecutor(1) as pool:
        middle = pool.submit(lambda: [next(answers) for _ in range(5)]).result()
    assert [*first, *middle, *answers] == expected


def test_parameters_that_change_in_one_thread_count_in_the_others(model: HRM) -> None:
    call = continuous(model, puzzles(2))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(call).result() == call()
        model.lm_head.weight = mx.zeros_like(model.lm_head.weight)
        mx.eval(model.parameters())
        assert pool.submit(call).result() == call()
    assert {token for answer in call() for token in answer.tokens} == {0}


def interrupted(call: Call, lines: int) -> bool:
    """Call, and raise KeyboardInterrupt after so many lines of Python, as Ctrl-C may; return whether that happened."""
    left = lines

    def count(frame: Any, event: str, arg: object) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.fixture(scope="module")
def steady() -> HRM:
    from hrm_model import HRMConfig

    sizes = {"hidden_size": 8, "num_heads": 2, "expansion": 1, "puzzle_emb_ndim": 8, "forward_dtype": "float32"}
    data = {"seq_len": 16, "vocab_size": 7, "num_puzzle_identifiers": 5}
    model = HRM(HRMConfig(H_layers=1, L_layers=1, halt_max_steps=2, **sizes, **data))
    mx.eval(model.parameters())
    return model


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1), kind=st.sampled_from([fixed, continuous, op_by_op]))
def test_an_interrupt_leaves_the_model_as_it_was_whenever_it_comes(share: float, kind: Any, steady: HRM) -> None:
    batch = puzzles(3)
    expected = kind(steady, batch)()
    call = kind(steady, batch)
    hit = interrupted(call, 1 + int(share * 15_000))
    assert hit or share > 0.1  # else nothing was interrupted
    assert call() == expected  # of the predictor that was interrupted
    assert kind(steady, batch)() == expected


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "the batch has no inputs"),
    ({"inputs": np.zeros(16, int)}, r"inputs must be integers with 2 axes, but are .*int64 of shape \(16,\)"),
    ({"inputs": np.zeros((1, 2, 16), int)}, "inputs must be integers with 2 axes"),
    ({"inputs": np.zeros((1, 16), np.float32)}, "inputs must be integers with 2 axes, but are .*float32"),
    ({"inputs": np.zeros((1, 16), bool)}, "inputs must be integers with 2 axes, but are .*bool"),
    ({"inputs": [[0] * 16]}, "inputs must be an array, but is a list"),
    ({"inputs": np.zeros((1, 15), int)}, "15"),
    ({"inputs": np.full((1, 16), 7)}, "7.*but the model has .*0 to 6"),
    ({"inputs": np.full((1, 16), -1)}, "-1.*but the model has .*0 to 6"),
    ({"inputs": np.zeros((1, 16), int), "puzzle_identifiers": np.array([5])}, "5.*but the model has .*0 to 4"),
    ({"inputs": np.zeros((1, 16), int), "puzzle_identifiers": np.array([0, 1])}, "puzzle_identifiers"),
    ({"inputs": np.zeros((1, 16), int), "puzzle_identifiers": np.array([[0]])}, "puzzle_identifiers"),
]


@pytest.mark.parametrize(("batch", "says"), WRONG)
def test_a_wrong_batch_is_named_and_later_answers_are_right(batch: dict[str, Any], says: str, model: HRM) -> None:
    right = puzzles(1)
    arrays = {name: mx.array(it) if isinstance(it, np.ndarray) else it for name, it in batch.items()}
    stream, plain = ContinuousPredictor(model, 4), Predictor(model)
    expected = list(stream([right]))
    for call in (lambda: list(stream([batch])), lambda: list(stream([arrays])), lambda: plain(arrays)):
        with pytest.raises(HRMModelError, match=says):
            call()
    assert list(stream([right])) == expected
    assert plain({name: mx.array(it) for name, it in right.items()}).tokens.tolist()


@pytest.mark.parametrize("number", [10**11, 2**31, 0, -1, 1.5, True])
def test_numbers_that_cannot_be_are_refused_before_anything_is_traced(number: Any, model: HRM) -> None:
    for name in ("max_steps", "batch_size"):
        with pytest.raises(HRMModelError, match=f"{name} is {number}, but must be an integer from 1 to"):
            ContinuousPredictor(model, **{name: number})


def test_a_process_in_whose_threads_a_model_answered_ends_in_order(model: HRM, tmp_path: Path) -> None:
    save_weights(model, tmp_path / "weights.safetensors")
    code = (
        "import sys, threading, mlx.core as mx\n"
        "from hrm_model import Predictor, load_model\n"
        "def work():\n"
        "    predictor = Predictor(load_model(sys.argv[1]))\n"
        "    print(predictor({'inputs': mx.zeros((2, 16), mx.int32)}).tokens.shape)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "weights.safetensors")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "(2, 16)\n", "")
