"""Calls from any thread, and what a forked process is told."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlx.core as mx
import pytest
from hrm_ops import HRMOpsError, check_process, from_any_thread, lanes

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_a_thread(function: Callable[[], object]) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def test_the_main_thread_computes_itself_and_all_others_share_one() -> None:
    name = lambda: from_any_thread(lambda: threading.current_thread().name)  # noqa: E731
    assert name() == threading.main_thread().name
    assert {in_a_thread(name) for _ in range(3)} == {"MLX"}
    assert in_a_thread(lambda: from_any_thread(name)) == "MLX"  # a call within a call
    assert from_any_thread(name) == threading.main_thread().name


def test_calls_wait_for_each_other() -> None:
    inside, most = 0, 0

    def compute() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        mx.eval(mx.ones((64, 64)) @ mx.ones((64, 64)))
        inside -= 1

    threads = [threading.Thread(target=from_any_thread, args=(compute,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        from_any_thread(compute)
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_arrays_that_a_thread_made_are_evaluated_for_the_call() -> None:
    def total() -> float:
        lazy = {"deep": [mx.ones((3,)) * 2]}
        return from_any_thread(lambda: lazy["deep"][0].sum().item(), lazy)

    assert total() == in_a_thread(total) == 6


def test_an_error_reaches_the_thread_that_called_and_the_next_call_works() -> None:
    def fail() -> None:
        raise KeyError("wrong")

    for call in (lambda: from_any_thread(fail), lambda: in_a_thread(lambda: from_any_thread(fail))):
        with pytest.raises(KeyError, match="wrong"):
            call()
    assert in_a_thread(lambda: from_any_thread(lambda: 5)) == 5


def test_threads_that_come_and_go_leave_nothing_behind() -> None:
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("counts threads in /proc")

    def compute() -> float:
        return from_any_thread(lambda: mx.exp(mx.ones(4)).sum().item())

    in_a_thread(compute)
    before = len(list(tasks.iterdir()))
    for _ in range(50):
        in_a_thread(compute)
    assert len(list(tasks.iterdir())) <= before + 2


def test_lanes_are_those_of_the_thread_that_asks() -> None:
    def compute() -> list[float]:
        streams, sums = lanes(8), []
        for stream in streams:
            with mx.stream(stream):
                sums.append(mx.ones((4,)).sum().item())
        assert lanes(8) == streams
        return sums

    here = compute()
    assert in_a_thread(compute) == here


END = """
import threading
import mlx.core as mx
from hrm_ops import from_any_thread

def compute():
    def work():
        compiled = mx.compile(lambda x: mx.exp(x) * 2 + 1)
        return compiled(mx.random.uniform(shape=(4,))).sum().item()
    return from_any_thread(work)
"""


@pytest.mark.parametrize(
    "last",
    [
        "thread = threading.Thread(target=compute); thread.start(); thread.join()",
        "threading.Thread(target=compute).start()",  # goes on when the main thread has ended
        "threading.Thread(target=lambda: [compute() for _ in range(10**6)], daemon=True).start(); compute()",
        "thread = threading.Thread(target=compute); thread.start(); thread.join(); raise SystemExit(0)",
    ],
)
def test_a_process_whose_threads_computed_ends_in_order(last: str) -> None:
    for _ in range(5):  # a race
        ended = run(END + last)
        assert (ended.returncode, ended.stderr) == (0, "")


FORK = """
import os, signal, sys
import mlx.core as mx
import hrm_ops
{before}
child = os.fork()
if child == 0:
    signal.alarm(120)  # a hang ends here
    try:
        print(hrm_ops.from_any_thread(lambda: mx.ones(3).sum().item()), flush=True)
    except hrm_ops.HRMOpsError as error:
        print(error, flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@needs_fork
@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("", "3.0"),
        ("mx.eval(mx.ones(3) + 1)", "was forked after MLX had been used"),
        ("hrm_ops.from_any_thread(lambda: mx.eval(mx.ones(3) + 1))", "was forked after MLX had been used"),
    ],
)
def test_a_forked_process_computes_or_says_why_it_cannot(before: str, says: str) -> None:
    if mx.default_device().type != mx.DeviceType.cpu and "from_any_thread" not in before:
        pytest.skip("of a GPU only announced computations are known")
    ended = run(FORK.format(before=before))
    assert ended.returncode == 0, ended.stderr
    assert says in ended.stdout


@needs_fork
def test_a_process_that_is_forked_after_threads_computed_ends() -> None:
    end = "thread = threading.Thread(target=compute); thread.start(); thread.join(); child = os.fork()\n"
    end += "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    quiet = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)"  # of forks, from Python 3.12 on
    ended = run(f"import os, signal, sys; {quiet}{END}{end}signal.alarm(60)  # a hang ends here")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_process_of_its_own_may_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    check_process()
    monkeypatch.setattr("hrm_ops._fork._forked", True)
    for call in (check_process, lambda: lanes(4), lambda: from_any_thread(lambda: 1)):
        with pytest.raises(HRMOpsError, match="spawn"):
            call()
