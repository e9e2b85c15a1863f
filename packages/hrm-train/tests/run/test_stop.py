"""What stop signals do: when they come twice, while MLX computes, and to compilers."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hrm_train import RunDirectory, checkpoints
from hrm_train.run._stop import StopNow, stop_requests

WORKER = Path(__file__).with_name("stop_worker.py")
PATIENCE = 300  # seconds; a machine may be busy


def nothing_to_rescue() -> None:
    raise AssertionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_within_a_second_are_one_request_and_a_later_one_stops_at_once(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), stop_requests() as request:  # noqa: PT012
        signal.raise_signal(number)
        time.sleep(0.9)
        signal.raise_signal(signal.SIGTERM)
        assert request.is_set
        assert not request.is_repeated
        time.sleep(0.9)
        signal.raise_signal(number)


def test_a_request_is_announced_from_another_thread() -> None:
    announced = threading.Event()

    def stop_soon() -> None:
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    with stop_requests(announced.set) as request:
        sender = threading.Thread(target=stop_soon)
        sender.start()
        assert announced.wait(PATIENCE)
        assert request.is_set
        sender.join()


def test_repeatable_work_is_left_at_once() -> None:
    with stop_requests() as request:
        with pytest.raises(StopNow), request.acts_at_once(nothing_to_rescue):  # noqa: PT012
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError
        assert request.is_set


def test_an_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as request:
            signal.raise_signal(signal.SIGHUP)
            time.sleep(0.1)
            assert not request.is_set
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_other_than_the_main_one_gets_no_requests() -> None:
    seen: list[bool] = []

    def work() -> None:
        with stop_requests() as request:
            seen.append(request.is_set)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.fixture
def evaluating(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process whose evaluation computes for minutes in one call that no signal interrupts."""
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(tmp_path), "long"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "evaluating\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_during_an_evaluation_that_cannot_be_interrupted_saves_and_ends(
    number: signal.Signals, evaluating: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    evaluating.send_signal(number)
    _, err = evaluating.communicate(timeout=PATIENCE)
    assert evaluating.returncode == 130, err
    run = RunDirectory.newest(tmp_path)
    assert f"stopped after step 3 of 6; saved in {run.path}" in err
    assert [path.name for path in checkpoints(run.checkpoint_directory)] == ["step-00000003"]

    whole = tmp_path / "whole"
    for folder in (tmp_path, whole):
        subprocess.run([sys.executable, str(WORKER), str(folder), "short"], check=True, timeout=PATIENCE)
    ends = [RunDirectory.newest(folder).checkpoint_directory / "step-00000006" for folder in (tmp_path, whole)]
    for name in ("model.safetensors", "training.safetensors"):
        assert (ends[0] / name).read_bytes() == (ends[1] / name).read_bytes()
