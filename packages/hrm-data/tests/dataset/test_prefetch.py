from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hrm_data import Dataset, HRMDataError, NumpyBatch, PrefetchLoader, TrainLoader, open_dataset
from hrm_data.sudoku import SudokuAugment
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    gc.collect()
    assert threading.active_count() == before


def same(one: NumpyBatch, two: NumpyBatch) -> bool:
    return one.keys() == two.keys() and all((one[key] == two[key]).all() for key in one)


def loader_of(sudoku: Path, ragged: Dataset, uniform: bool, position: int = 0) -> TrainLoader:
    dataset = open_dataset(sudoku, "train") if uniform else ragged
    augment = SudokuAugment((2, 2), hints=0.5) if uniform else None
    return TrainLoader(dataset, 8, seed=5, position=position, augment=augment)


@settings(max_examples=40, deadline=None)
@given(
    depth=st.integers(1, 5),
    first=st.integers(0, 100),
    moves=st.lists(st.none() | st.integers(0, 100) | st.just("close"), max_size=12),
    uniform=st.booleans(),
)
def test_it_gives_the_batches_of_its_loader_wherever_it_is_sent(
    sudoku: Path, ragged: Dataset, depth: int, first: int, moves: list[int | str | None], uniform: bool
) -> None:
    plain = loader_of(sudoku, ragged, uniform)
    position = first
    with PrefetchLoader(loader_of(sudoku, ragged, uniform, first), depth) as ahead:
        for move in moves:
            if move == "close":
                ahead.close()
            elif move is not None:
                ahead.position = position = int(move)
            assert ahead.position == position
            assert same(next(ahead), plain.batch_at(position))
            position += 1
            assert ahead.position == position


class Gate:
    """A loader whose batches are its positions, and which waits for permission to make each."""

    position = 0

    def __init__(self, fail_at: int | None = None) -> None:
        self.permits, self.asked, self.fail_at = threading.Semaphore(0), list[int](), fail_at
        self.idle = threading.Semaphore(0)

    def batch_at(self, position: int) -> NumpyBatch:
        self.asked.append(position)
        self.idle.release()
        self.permits.acquire()
        if position == self.fail_at:
            raise HRMDataError(f"position {position} cannot be had")
        return {"inputs": np.array([position])}


def test_no_more_than_depth_batches_are_made_ahead_of_what_was_given_out() -> None:
    gate = Gate()
    gate.permits.release(1000)
    with PrefetchLoader(gate, depth=3) as ahead:  # type: ignore[arg-type]
        for taken in range(1, 30):
            assert next(ahead)["inputs"] == taken - 1
            assert max(gate.asked) < taken + 3
    assert gate.asked == sorted(set(gate.asked))


def test_batches_are_made_while_nobody_asks_for_them() -> None:
    gate = Gate()
    gate.permits.release(1)
    with PrefetchLoader(gate, depth=2) as ahead:  # type: ignore[arg-type]
        next(ahead)
        gate.permits.release(2)
        for _ in range(3):  # the first, and two that nobody asked for yet
            assert gate.idle.acquire(timeout=60)
        assert ahead.position == 1
        assert gate.asked == [0, 1, 2]


def test_time_spent_waiting_is_told() -> None:
    gate = Gate()
    with PrefetchLoader(gate) as ahead:  # type: ignore[arg-type]
        threading.Timer(0.05, gate.permits.release).start()
        next(ahead)
        gate.permits.release(1000)
    assert ahead.waited >= 0.04


def test_an_error_reaches_the_consumer_at_its_position_and_is_not_forgotten() -> None:
    gate = Gate(fail_at=3)
    gate.permits.release(1000)
    with PrefetchLoader(gate, depth=5) as ahead:  # type: ignore[arg-type]
        assert [int(next(ahead)["inputs"][0]) for _ in range(3)] == [0, 1, 2]
        for _ in range(2):
            with pytest.raises(HRMDataError, match="position 3 cannot be had"):
                next(ahead)
            assert ahead.position == 3
        ahead.position = 4
        assert next(ahead)["inputs"] == 4


def test_a_forgotten_loader_ends_its_thread(sudoku: Path, ragged: Dataset) -> None:
    next(PrefetchLoader(loader_of(sudoku, ragged, True)))


def test_wrong_numbers_are_refused(sudoku: Path, ragged: Dataset) -> None:
    loader = loader_of(sudoku, ragged, True)
    with pytest.raises(HRMDataError, match="depth is 0"):
        PrefetchLoader(loader, 0)
    with pytest.raises(HRMDataError, match="position is -1"):
        PrefetchLoader(loader).position = -1


SCRIPT = """
import signal, sys
from hrm_data import PrefetchLoader, TrainLoader, open_dataset
signal.signal(signal.SIGINT, signal.default_int_handler)
loader = TrainLoader(open_dataset(sys.argv[1], "train"), 8)
class Stuck:
    position = 0
    def batch_at(self, position):
        if position == 3:
            print("waiting", flush=True)
            import threading; threading.Event().wait(float(sys.argv[2]))
        return loader.batch_at(position)
ahead = PrefetchLoader(Stuck())
for _ in range(4):
    next(ahead)
print("ended")
"""


@pytest.mark.parametrize("stop", [False, True])
def test_a_process_ends_without_closing_it_also_on_ctrl_c(stop: bool, sudoku: Path) -> None:
    words = [sys.executable, "-c", SCRIPT, str(sudoku), "2" if stop else "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        if stop:  # only then a line is read ahead: what else that read buffers, communicate would not see
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    if stop:
        assert process.returncode == -signal.SIGINT
        assert err.rstrip().endswith("KeyboardInterrupt")
    else:
        assert (process.returncode, out, err) == (0, "waiting\nended\n", "")
