"""Whether other work disturbs a measurement, and times that are measured until they settle."""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_LEAST_ROUNDS, _SETTLED, _MOST = 7, 0.03, 2.0  # rounds; spread of the fastest three; seconds of a measurement
_SHARE, _SPREAD = 0.15, 1.5  # of the cores, used by others; median over fastest round, above which a machine is busy
_STAT = Path("/proc/stat")


class Seconds(NamedTuple):
    """Repeated times of the same work.

    Attributes:
        fastest: Seconds of the fastest round, which is disturbed least.
        spread: The median round over the fastest.
    """

    fastest: float
    spread: float


def settled_seconds(work: Callable[[], object]) -> Seconds:
    """Time some work until the fastest three rounds agree, or two seconds are over; the first round does not count."""
    work()
    rounds: list[float] = []
    end = time.perf_counter() + _MOST
    while not _is_settled(rounds) and (len(rounds) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        work()
        rounds.append(time.perf_counter() - start)
    return Seconds(min(rounds), statistics.median(rounds) / min(rounds))


def _is_settled(rounds: list[float]) -> bool:
    fastest = sorted(rounds)[:3]
    return len(rounds) >= _LEAST_ROUNDS and fastest[-1] <= (1 + _SETTLED) * fastest[0]


class OtherWork:
    """The work of other processes on this process's cores, from the moment on in which this is made."""

    def __init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        self._load = os.getloadavg()[0]  # before the measurement adds its own
        self._start = _used()

    def signs(self, spread: float) -> list[str]:
        """Return what shows that the machine is busy, each as a clause; empty on an idle machine.

        Args:
            spread: The largest `Seconds.spread` of the measurements.
        """
        signs = []
        now = _used()
        if now is not None and self._start is not None:
            others = max(0.0, (now.all - now.own) - (self._start.all - self._start.own))
            share = others / max(1e-9, self._cores * (now.clock - self._start.clock))
            if share > _SHARE:
                signs.append(f"other programs use {min(share, 1.0):.0%} of the {self._cores} cores")
        elif self._load > self._cores / 2:  # where the system does not say who computes
            signs.append(f"the load average is {self._load:.1f} on {self._cores} cores")
        if spread > _SPREAD:
            signs.append(f"repeated measurements differ (the median takes {spread:.1f} times as long as the fastest)")
        return signs


class _Used(NamedTuple):
    """Processor seconds so far: of all processes on this process's cores, of this one; and the clock."""

    all: float
    own: float
    clock: float


def _used() -> _Used | None:
    """Read the processor times of Linux; None elsewhere."""
    if sys.platform != "linux" or not _STAT.exists():
        return None
    cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = 0
    for line in _STAT.read_text().splitlines():
        name, *fields = line.split()
        if name in cores:  # user, nice, system, (idle, iowait,) irq, softirq, steal
            ticks += sum(map(int, (*fields[:3], *fields[5:8])))
    own = os.times()
    return _Used(ticks / os.sysconf("SC_CLK_TCK"), sum(own[:4]), time.perf_counter())
