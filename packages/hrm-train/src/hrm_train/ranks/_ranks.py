"""A group of processes that train together, and the messages between them."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, NoReturn, TypeVar

import mlx.core as mx
from hrm_ops import share_cores
from mlx.nn.utils import average_gradients
from mlx.utils import tree_flatten, tree_unflatten

from hrm_train._errors import HRMTrainError

# Set by mlx.launch (ring, JACCL, NCCL), Open MPI, MPICH and Slurm's PMIx; a process without any of them is alone.
_LAUNCHED = ("MLX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_JOIN_SECONDS = 300
_LARGEST_MESSAGE = 32 * 2**20  # bytes

Result = TypeVar("Result")


class Ranks:
    """A group of processes that train one model together, each on its share of the slots.

    Every rank must make the same calls in the same order. Averages, sums and gathered arrays are lazy.

    A run sends at its start settings, versions and the dataset's fingerprint, which must be equal, and the state of
    rank 0, bit for bit. A step sends averaged dense gradients in messages of at least 32 MiB, metric sums in one
    message, identifiers and gradients of puzzle rows, which are summed before their sign is taken, and one number that
    asks to stop. An evaluation sends the counts and sums of each rank's part, without padding. A checkpoint sends a
    checksum of the weights, which must be equal bit for bit, and all slots, which rank 0 writes.

    Args:
        group: The processes; defaults to this one alone.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
    """

    def __init__(self, group: mx.distributed.Group | None = None) -> None:
        self._group = group
        self.rank: int = group.rank() if group is not None else 0
        self.size: int = group.size() if group is not None else 1

    @classmethod
    def join(cls) -> "Ranks":
        """Join the processes started together with this one, and share the cores with those on this host.

        Raises:
            HRMTrainError: If the others cannot be reached.
        """
        if not any(name in os.environ for name in _LAUNCHED):
            return cls()
        try:
            with _time_limit(_JOIN_SECONDS):
                ranks = cls(mx.distributed.init(strict=True))
        except (RuntimeError, ValueError, TimeoutError) as error:
            raise HRMTrainError(f"the other ranks cannot be joined ({error}); start all of them together") from error
        host = socket.gethostname()
        share_cores(ranks.texts(host).count(host))
        return ranks

    @property
    def leads(self) -> bool:
        """Whether this rank writes files and shows progress."""
        return self.rank == 0

    def share(self, slots: int) -> slice:
        """Return this rank's slice of the slots of all ranks."""
        size = slots // self.size
        return slice(self.rank * size, (self.rank + 1) * size)

    def average(self, tree: Any) -> Any:
        """Return the mean of a tree of arrays over all ranks; takes few messages."""
        return average_gradients(tree, self._group) if self.size > 1 else tree

    def sum(self, tree: Any) -> Any:
        """Return the sum of a tree of arrays of one dtype over all ranks; takes one message."""
        if self.size == 1:
            return tree
        pairs = tree_flatten(tree)
        ends = list(accumulate(array.size for _, array in pairs))
        total = mx.distributed.all_sum(mx.concatenate([array.reshape(-1) for _, array in pairs]), group=self._group)
        parts = mx.split(total, ends[:-1])
        return tree_unflatten([(name, part.reshape(a.shape)) for (name, a), part in zip(pairs, parts, strict=True)])

    def gather(self, tree: Any) -> Any:
        """Return the arrays of all ranks, joined by rank along the first axis."""
        return self._each(tree, lambda array: mx.distributed.all_gather(array, group=self._group))

    def from_lead(self, tree: Any) -> Any:
        """Return the arrays of rank 0 on every rank, bit for bit; shapes and dtypes must be the same on all ranks.

        Arrays are sent one by one and at once, because ranks with different graphs would send in different orders.
        A large array is sent in parts that overwrite the present one, because memory may not hold a second one.
        """

        def sent(array: mx.array) -> mx.array:
            bits = array.reshape(-1).view(mx.uint8)
            total = mx.distributed.all_sum(bits if self.leads else mx.zeros_like(bits), group=self._group)
            received = total.view(array.dtype).reshape(array.shape)
            mx.eval(received)
            return received

        def sent_in_parts(array: mx.array) -> mx.array:
            if array.nbytes <= _LARGEST_MESSAGE:
                return sent(array)
            rows = max(1, _LARGEST_MESSAGE * array.shape[0] // array.nbytes)
            for start in range(0, array.shape[0], rows):
                part = sent(array[start : start + rows])
                if not self.leads:
                    array[start : start + rows] = part
                    mx.eval(array)
            return array

        return self._each(tree, sent_in_parts)

    def texts(self, text: str) -> list[str]:
        """Return the texts of all ranks, by rank."""
        if self.size == 1:
            return [text]
        content = text.encode()
        lengths = self.gather(mx.array([len(content)])).tolist()
        longest = max(1, *lengths)
        everything = bytes(self.gather(mx.array(list(content.ljust(longest)), mx.uint8)).tolist())
        return [everything[i * longest :][:length].decode() for i, length in enumerate(lengths)]

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """Do work on one rank after another, so that each finds the files of those before it.

        Raises:
            HRMTrainError: If the work failed on another rank; the failing rank raises its own error.
        """
        result: list[Result] = []
        error: Exception | None = None
        for turn in range(self.size):
            if turn == self.rank:
                try:
                    result.append(work())
                except Exception as caught:
                    error = caught
            problems = self.texts(str(error or ""))
        if error is not None:
            raise error
        for rank, problem in enumerate(problems):
            if problem:
                raise HRMTrainError(f"rank {rank}: {problem}")
        return result[0]

    def ask_lead(self, question: Callable[[], str]) -> str:
        """Return rank 0's answer on every rank.

        Raises:
            HRMTrainError: If the question failed on rank 0, which raises its own error.
        """
        answer, error = "", None
        if self.leads:
            try:
                answer = question()
            except Exception as caught:
                error = caught
        answer, problem = json.loads(self.texts(json.dumps([answer, str(error or "")]))[0])
        if error is not None:
            raise error
        if problem:
            raise HRMTrainError(f"rank 0: {problem}")
        return str(answer)

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Raise if facts that must be equal differ between ranks.

        Args:
            facts: JSON values by name.

        Raises:
            HRMTrainError: On every rank, with both values of each fact that differs.
        """
        texts = self.texts(json.dumps({"host": socket.gethostname(), **facts}))
        first, *others = (json.loads(text) for text in texts)
        for rank, other in enumerate(others, start=1):
            odd = [name for name in first.keys() | other.keys() if first.get(name) != other.get(name)]
            odd = sorted(set(odd) - {"host"})
            if odd:
                differences = "; ".join(
                    f"{name} is {json.dumps(first.get(name))} on rank 0 ({first['host']}), "
                    f"but {json.dumps(other.get(name))} on rank {rank} ({other['host']})"
                    for name in odd
                )
                raise HRMTrainError(f"the ranks differ: {differences}. Start all of them with the same")

    def _each(self, tree: Any, change: Callable[[mx.array], mx.array]) -> Any:
        if self.size == 1:
            return tree
        from lightning_utilities.core.apply_func import apply_to_collection  # slow to import

        return apply_to_collection(tree, mx.array, change)


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Interrupt the main thread after some seconds: joining waits for ever for a missing rank."""

    def stop(_signal: int, _frame: object) -> NoReturn:
        raise TimeoutError(f"they did not come within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
