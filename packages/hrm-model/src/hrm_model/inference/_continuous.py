"""Inference on a stream of puzzles: each leaves its slot when it halts, and the next puzzle takes the slot."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import mlx.core as mx
from hrm_ops import from_any_thread, lane_threads, lanes
from mlx.utils import tree_map

from hrm_model._act import Batch, Carry, act_step, fill_halted_slots, for_inference, initial_carry, slots
from hrm_model._compiled import CompiledSteps
from hrm_model._errors import HRMModelError
from hrm_model._halting import HaltingRule
from hrm_model._model import HRM
from hrm_model._size import check_memory, multiplications
from hrm_model.inference._answer import Answer, Thought, Tokens
from hrm_model.inference._checks import MOST, MOST_SLOTS, check_number, check_puzzle, rows_of
from hrm_model.inference._commit import Commit
from hrm_model.inference._noise import Noise


class _Puzzle(NamedTuple):
    """A puzzle that waits or has a slot; `key` chooses the noise of its trajectory."""

    number: int
    inputs: Tokens
    identifier: int
    key: list[int]


class _Slots(NamedTuple):
    """State of the slots of one lane.

    Attributes:
        carry: The carry after the last step.
        latest: The answer after the last step, `[b, L]` int32.
        unchanged: Number of steps for which that has stayed the same, `[b]` int32.
        tokens: The answer so far, `[b, L]` int32: the latest, with noise the one with the highest halting value.
        q: `q_halt` and `q_continue` of the answer so far, `[b, 2]` float32.
        taken: Steps of the puzzle, `[b]` int32; the carry counts those since the last commit.
        keys: What chooses the noise, `[b, 2]` uint32.
    """

    carry: Carry
    latest: mx.array
    unchanged: mx.array
    tokens: mx.array
    q: mx.array
    taken: mx.array
    keys: mx.array


class _Reading(NamedTuple):
    """What the host reads after a step.

    Attributes:
        leaving: The slots whose puzzle has halted.
        read: Of these slots, or of all busy ones if answers are traced: the answer's tokens, steps and `q`.
    """

    leaving: set[int]
    read: dict[int, tuple[Tokens, int, list[float]]]


def _never() -> bool:
    return False


class ContinuousPredictor:
    """Answers a stream of puzzles with a fixed number of slots, which stay full until the stream ends.

    The answer to a puzzle does not depend on the other puzzles, except for rounding: matrix products of another shape
    round differently. The cost of a puzzle is proportional to its steps. At the end of the stream, the number of
    slots is halved whenever half of them are empty. Memory does not depend on `max_steps`, except for traces.

    Any thread may call. Each iterator has slots of its own, and one iterator takes a step at a time. An iterator
    belongs to one thread at a time, as every generator does, and draws its puzzles in the thread that asks for an
    answer.

    Args:
        model: The model; its parameters may change between calls. A thread that changes them evaluates them before
            another one calls.
        batch_size: Number of slots.
        halting: When a puzzle leaves its slot.
        max_steps: Maximum number of steps of a puzzle; defaults to the model's `halt_max_steps` and may exceed it.
        trace: Whether answers hold a trace of all steps.
        noise: Noise on the states. With noise, a puzzle's answer is that of its step with the highest halting value.
        commit: When cells are written into a puzzle, after which it has `max_steps` again; None means never.
        compiled: Whether the step is compiled. On a Linux CPU that takes seconds at the first time; for a puzzle or two
            it is not worth it.

    Raises:
        HRMModelError: If a number is out of range, or so many puzzles at once cannot fit into memory.
    """

    def __init__(
        self,
        model: HRM,
        batch_size: int = 128,
        halting: HaltingRule = HaltingRule(),  # noqa: B008 (a tuple, so never changed)
        max_steps: int | None = None,
        trace: bool = False,
        noise: Noise = Noise(),  # noqa: B008
        commit: Commit | None = None,
        compiled: bool = True,
    ) -> None:
        halting.check()
        noise.check()
        if commit is not None:
            commit.check(model.config.vocab_size)
        self.max_steps = model.config.halt_max_steps if max_steps is None else max_steps
        check_number("max_steps", self.max_steps, MOST)
        check_number("batch_size", batch_size, MOST_SLOTS)
        check_memory(model.config, batch_size, bits=model.quantization.bits if model.quantization else 32)
        self.model = model
        self.batch_size = batch_size
        self.halting = halting
        self.trace = trace
        self.noise = noise
        self.commit = commit
        self._multiplications = multiplications(model.config)
        self._step = CompiledSteps(model, self._take_step, compiled)

    def __call__(self, batches: Iterable[Mapping[str, Any]], stop: Callable[[], bool] = _never) -> Iterator[Answer]:
        """Answer puzzles in their order, each as soon as it and all puzzles before it are done.

        Args:
            batches: Dictionaries with `inputs [b, L]` and, where they are not all 0, `puzzle_identifiers [b]` and the
                numbers of their `trajectories [b]`, which choose the noise: integer arrays of MLX or NumPy. A batch is
                drawn when slots are free.
            stop: Called before every step. When it returns true the stream ends, and puzzles in slots have no answer.

        Yields:
            One answer for each puzzle.

        Raises:
            HRMModelError: If a batch is not of this form, or a puzzle is none of this model's: its length is not
                `seq_len`, or a number stands for nothing that the model knows. The message has the puzzle's number.
            HRMOpsError: If this process was forked after MLX had been used.
        """
        done: dict[int, Answer] = {}
        following = 0
        for number, answer in self.as_they_halt(batches, stop):
            done[number] = answer
            while following in done:
                yield done.pop(following)
                following += 1

    def prepare(self, puzzles: int) -> None:
        """Compile the step for a stream of `puzzles` puzzles now instead of at the first answer."""
        if puzzles:
            fresh: list[_Puzzle | None] = [None] * _fewer(self.batch_size, puzzles)
            from_any_thread(partial(self._advance, [], None, fresh, []), self.model)

    def _puzzles(self, batches: Iterable[Mapping[str, Any]]) -> Iterator[_Puzzle]:
        """Yield the puzzles of all batches, numbered from 0."""
        number = 0
        for batch in batches:
            rows = rows_of(batch, "inputs", 2)
            identifiers, trajectories = (
                rows_of(batch, name, 1) if name in batch else [0] * len(rows)
                for name in ("puzzle_identifiers", "trajectories")
            )
            if not len(rows) == len(identifiers) == len(trajectories):
                raise HRMModelError(
                    f"a batch has {len(rows)} inputs, {len(identifiers)} puzzle_identifiers and {len(trajectories)} "
                    "trajectories, but needs as many of each"
                )
            for inputs, identifier, trajectory in zip(rows, identifiers, trajectories, strict=True):
                check_puzzle(self.model.config, number + 1, inputs, identifier)
                key = self.noise.key(inputs, identifier, trajectory) if self.noise.sigma else [0, 0]
                yield _Puzzle(number, inputs, identifier, key)
                number += 1

    def as_they_halt(
        self, batches: Iterable[Mapping[str, Any]], stop: Callable[[], bool] = _never
    ) -> Iterator[tuple[int, Answer]]:
        """Yield each answer with the number of its puzzle, from 0, in the order in which puzzles halt.

        Arguments and errors are those of a call.
        """
        waiting = self._puzzles(batches)
        owners: list[_Puzzle | None] = []
        traces: dict[int, list[Thought]] = {}
        state: list[_Slots] = []
        while True:
            owners = owners or [None] * self.batch_size
            fresh = [next(waiting, None) if owner is None else None for owner in owners]
            owners = [owner or new for owner, new in zip(owners, fresh, strict=True)]
            busy = [i for i, owner in enumerate(owners) if owner is not None]
            if not busy:
                return
            size, kept = _fewer(len(owners), len(busy)), None
            if size < len(owners):
                kept = (busy + [i for i, owner in enumerate(owners) if owner is None])[:size]
                owners, fresh = [owners[i] for i in kept], [fresh[i] for i in kept]
                busy = [i for i, owner in enumerate(owners) if owner is not None]
            if stop():
                return
            state, (leaving, read) = from_any_thread(partial(self._advance, state, kept, fresh, busy), self.model)
            for i, (tokens, steps, (q_halt, q_continue)) in read.items():
                owner = owners[i]
                assert owner is not None
                if self.trace:
                    _remember(traces.setdefault(owner.number, []), Thought(tokens, q_halt, q_continue))
                if i in leaving:
                    owners[i] = None
                    yield owner.number, Answer(tokens, steps, q_halt, q_continue, tuple(traces.pop(owner.number, ())))

    def _advance(
        self, state: list[_Slots], kept: list[int] | None, fresh: Sequence[_Puzzle | None], busy: Sequence[int]
    ) -> tuple[list[_Slots], _Reading]:
        """Keep some slots or all, put fresh puzzles into them, advance them by one step, and read the busy ones."""
        if state and kept is not None:
            state = _select(state, kept)
        streams = lanes(len(fresh))
        share = len(fresh) // len(streams)
        if not state:
            state = [self._empty(share) for _ in streams]
        batch, keys = self._batch(fresh)
        after = []
        with lane_threads(len(fresh), len(fresh) * self._multiplications):
            for lane, (stream, part) in enumerate(zip(streams, state, strict=True)):
                own = slice(lane * share, (lane + 1) * share)
                with mx.stream(stream):
                    after.append(_Slots(*self._step(lane, part, slots(batch, own), keys[own])))
            mx.eval(after)
        return after, self._reading(after, busy)

    def _reading(self, state: list[_Slots], busy: Sequence[int]) -> _Reading:
        halted = [wants for part in state for wants in _lists(part.carry["halted"])]
        leaving = {i for i in busy if halted[i]}
        wanted = list(busy) if self.trace else sorted(leaving)
        if not wanted:
            return _Reading(leaving, {})
        index = mx.array(wanted)
        fields = (lambda part: part.tokens, lambda part: part.taken, lambda part: part.q)
        values = zip(*(_lists(_joined(state, of)[index]) for of in fields), strict=True)
        return _Reading(leaving, dict(zip(wanted, values, strict=True)))

    def _empty(self, size: int) -> _Slots:
        config = self.model.config
        tokens, number = mx.zeros((size, config.seq_len), mx.int32), mx.zeros((size,), mx.int32)
        pairs = mx.zeros((size, 2))
        return _Slots(initial_carry(config, size), tokens, number, tokens, pairs, number, pairs.astype(mx.uint32))

    def _batch(self, fresh: Sequence[_Puzzle | None]) -> tuple[Batch, mx.array]:
        nothing = _Puzzle(0, [0] * self.model.config.seq_len, 0, [0, 0])
        puzzles = [puzzle or nothing for puzzle in fresh]
        inputs = mx.array([puzzle.inputs for puzzle in puzzles], mx.int32)
        identifiers = mx.array([puzzle.identifier for puzzle in puzzles], mx.int32)
        batch = for_inference(Batch(inputs=inputs, puzzle_identifiers=identifiers))
        return batch, mx.array([puzzle.key for puzzle in puzzles], mx.uint32)

    def _take_step(self, model: HRM, before: _Slots, batch: Batch, new_keys: mx.array) -> tuple[Any, ...]:
        """Put the next puzzles into halted slots and take a step in all slots."""
        is_new = before.carry["halted"]
        keys = mx.where(is_new[:, None], new_keys, before.keys)
        taken = mx.where(is_new, 0, before.taken)
        carry = fill_halted_slots(model, before.carry, batch)
        if self.noise.sigma:
            carry = self.noise.disturb(model.config, carry, keys, taken)
        rows = model.puzzle_rows(carry["puzzle_identifiers"])
        carry, out = act_step(model, carry, rows, training=False, max_steps=self.max_steps)

        is_first = carry["steps"] == 1  # of a puzzle, or after a commit
        latest = out.logits.argmax(axis=-1).astype(mx.int32)
        if self.commit:
            latest = self.commit.answer(carry["inputs"], out.logits)
        same = (latest == before.latest).all(axis=-1) & ~is_first
        unchanged = mx.where(same, before.unchanged + 1, 0)
        tokens, q = latest, mx.stack([out.q_halt_logits, out.q_continue_logits], axis=1)
        if self.noise.sigma:
            is_best = (is_first | (q[:, 0] > before.q[:, 0]))[:, None]
            tokens, q = mx.where(is_best, tokens, before.tokens), mx.where(is_best, q, before.q)

        wants = self.halting.wants_to_halt(q[:, 0], q[:, 1], unchanged)
        halted = carry["halted"] | wants
        if self.commit:
            written = self.commit.write(carry["inputs"], out.logits)
            goes_on = halted & ~wants & (written == self.commit.open_token).any(axis=-1)
            carry["inputs"] = mx.where(goes_on[:, None], written, carry["inputs"])
            carry["steps"] = mx.where(goes_on, 0, carry["steps"])
            halted &= ~goes_on
        return {**carry, "halted": halted}, latest, unchanged, tokens, q, taken + 1, keys


def _remember(trace: list[Thought], thought: Thought) -> None:
    """Add a thought to a trace; equal tokens are stored once, so that a long trace of a settled answer is small."""
    if trace and trace[-1].tokens == thought.tokens:
        thought = thought._replace(tokens=trace[-1].tokens)
    trace.append(thought)


def _fewer(size: int, busy: int) -> int:
    """Halve the number of slots as long as the busy ones fit."""
    while size % 2 == 0 and busy <= size // 2:
        size //= 2
    return size


def _select(state: list[_Slots], kept: list[int]) -> list[_Slots]:
    """Keep some slots and spread them over the lanes for their number."""
    index = mx.array(kept)
    streams = lanes(len(kept))
    share = len(kept) // len(streams)
    whole = tree_map(lambda *parts: mx.concatenate(parts)[index], *state)
    return [tree_map(lambda a: a[i * share : (i + 1) * share], whole) for i in range(len(streams))]  # noqa: B023


def _joined(state: list[_Slots], of: Callable[[_Slots], mx.array]) -> mx.array:
    return mx.concatenate([of(part) for part in state])


def _lists(array: mx.array) -> list[Any]:
    """Read an array with at least one axis back from the device."""
    values: Any = array.tolist()
    return list(values)
