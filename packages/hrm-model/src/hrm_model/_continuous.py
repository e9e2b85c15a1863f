"""Inference on a stream of puzzles: each leaves its slot when it halts, and the next puzzle takes the slot."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import mlx.core as mx
from hrm_ops import lane_threads, lanes, prepare_kernels
from mlx.utils import tree_map

from hrm_model._act import Batch, Carry, act_step, fill_halted_slots, for_inference, initial_carry, slots
from hrm_model._errors import HRMModelError
from hrm_model._halting import HaltingRule
from hrm_model._model import HRM

Tokens = list[int]


class Thought(NamedTuple):
    """The answer after one ACT step.

    Attributes:
        tokens: Most likely token of every position, length `L`.
        q_halt: Logit of halting.
        q_continue: Logit of continuing.
    """

    tokens: Tokens
    q_halt: float
    q_continue: float

    @property
    def confidence(self) -> float:
        """Probability, from 0 to 1, that the model assigns to this answer being correct."""
        return _confidence(self.q_halt)


class Answer(NamedTuple):
    """The answer to one puzzle.

    Attributes:
        tokens: Most likely token of every position, length `L`.
        steps: Number of ACT steps that were run.
        q_halt: Logit of halting at the last step.
        q_continue: Logit of continuing at the last step.
        trace: The answer after every step, including the last, if a trace was requested; else empty.
    """

    tokens: Tokens
    steps: int
    q_halt: float
    q_continue: float
    trace: tuple[Thought, ...] = ()

    @property
    def confidence(self) -> float:
        """Probability, from 0 to 1, that the model assigns to its answer being correct."""
        return _confidence(self.q_halt)


def _confidence(q_halt: float) -> float:
    """Return the sigmoid of `q_halt`, in a form that does not overflow."""
    return (1 + math.tanh(q_halt / 2)) / 2


class _Puzzle(NamedTuple):
    number: int
    inputs: Tokens
    identifier: int


class _Slots(NamedTuple):
    """State of the slots of one lane.

    Attributes:
        carry: The carry after the last step.
        tokens: The answer after the last step, `[b, L]` int32.
        unchanged: Number of steps for which the answer has stayed the same, `[b]` int32.
        q: `q_halt` and `q_continue` after the last step, `[b, 2]` float32.
    """

    carry: Carry
    tokens: mx.array
    unchanged: mx.array
    q: mx.array


class ContinuousPredictor:
    """Answers a stream of puzzles with a fixed number of slots, which stay full until the stream ends.

    The answer to a puzzle does not depend on the other puzzles, except for rounding: matrix products of another shape
    round differently. The cost of a puzzle is proportional to its steps. At the end of the stream, the number of
    slots is halved whenever half of them are empty.

    Args:
        model: The model; its parameters may change between calls.
        batch_size: Number of slots.
        halting: When a puzzle leaves its slot.
        max_steps: Maximum number of steps of a puzzle; defaults to the model's `halt_max_steps` and may exceed it.
        trace: Whether answers hold a trace of all steps.

    Raises:
        HRMModelError: If a number is out of range.
    """

    def __init__(
        self,
        model: HRM,
        batch_size: int = 128,
        halting: HaltingRule = HaltingRule(),  # noqa: B008 (a tuple, so never changed)
        max_steps: int | None = None,
        trace: bool = False,
    ) -> None:
        halting.check()
        if batch_size < 1 or (max_steps is not None and max_steps < 1):
            raise HRMModelError(f"batch_size {batch_size} and max_steps {max_steps} must be at least 1")
        prepare_kernels()
        self.model = model
        self.batch_size = batch_size
        self.halting = halting
        self.max_steps = max_steps or model.config.halt_max_steps
        self.trace = trace
        self._compiled: dict[int, Any] = {}

    def __call__(self, batches: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        """Answer puzzles in their order, each as soon as it and all puzzles before it are done.

        Args:
            batches: Dictionaries with `inputs [b, L]` and, where they are not all 0, `puzzle_identifiers [b]`: integer
                arrays of MLX or NumPy. A batch is drawn when slots are free.

        Yields:
            One answer for each puzzle.

        Raises:
            HRMModelError: If the length of a puzzle is not the model's `seq_len`.
        """
        waiting = enumerate_puzzles(batches, self.model.config.seq_len)
        done: dict[int, Answer] = {}
        following = 0
        for number, answer in self._answers(waiting):
            done[number] = answer
            while following in done:
                yield done.pop(following)
                following += 1

    def prepare(self, puzzles: int) -> None:
        """Compile the step for a stream of `puzzles` puzzles now instead of at the first answer."""
        if puzzles:
            self._advance([], [None] * _fewer(self.batch_size, puzzles))

    def _answers(self, waiting: Iterator[_Puzzle]) -> Iterator[tuple[int, Answer]]:
        """Yield each answer with the number of its puzzle, in the order in which they halt."""
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
            size = _fewer(len(owners), len(busy))
            if size < len(owners):
                kept = (busy + [i for i, owner in enumerate(owners) if owner is None])[:size]
                owners, fresh = [owners[i] for i in kept], [fresh[i] for i in kept]
                state = _select(state, kept) if state else state
            state = self._advance(state, fresh)

            halted = [wants for part in state for wants in _lists(part.carry["halted"])]
            leaving = [i for i, owner in enumerate(owners) if owner is not None and halted[i]]
            if self.trace:
                thoughts = zip(
                    owners,
                    _lists(_joined(state, lambda part: part.tokens)),
                    _lists(_joined(state, lambda part: part.q)),
                    strict=True,
                )
                for owner, tokens, q in thoughts:
                    if owner is not None:
                        traces.setdefault(owner.number, []).append(Thought(tokens, *q))
            if not leaving:
                continue
            index = mx.array(leaving)
            answers = zip(
                _lists(_joined(state, lambda part: part.tokens)[index]),
                _lists(_joined(state, lambda part: part.carry["steps"])[index]),
                _lists(_joined(state, lambda part: part.q)[index]),
                strict=True,
            )
            for i, (tokens, steps, (q_halt, q_continue)) in zip(leaving, answers, strict=True):
                owner, owners[i] = owners[i], None
                assert owner is not None
                yield owner.number, Answer(tokens, steps, q_halt, q_continue, tuple(traces.pop(owner.number, ())))

    def _advance(self, state: list[_Slots], fresh: list[_Puzzle | None]) -> list[_Slots]:
        """Put fresh puzzles into their slots, then advance all slots by one step."""
        streams = lanes(len(fresh))
        share = len(fresh) // len(streams)
        if not state:
            state = [self._empty(share) for _ in streams]
        batch = self._batch(fresh)
        after = []
        with lane_threads(len(fresh)):
            for lane, (stream, part) in enumerate(zip(streams, state, strict=True)):
                with mx.stream(stream):
                    own = slots(batch, slice(lane * share, (lane + 1) * share))
                    after.append(_Slots(*self._step(lane)(part, own)))
            mx.eval(after)
        return after

    def _empty(self, size: int) -> _Slots:
        config = self.model.config
        tokens = mx.zeros((size, config.seq_len), mx.int32)
        return _Slots(initial_carry(config, size), tokens, mx.zeros((size,), mx.int32), mx.zeros((size, 2)))

    def _batch(self, fresh: list[_Puzzle | None]) -> Batch:
        nothing = [0] * self.model.config.seq_len
        inputs = mx.array([puzzle.inputs if puzzle else nothing for puzzle in fresh], mx.int32)
        identifiers = mx.array([puzzle.identifier if puzzle else 0 for puzzle in fresh], mx.int32)
        return for_inference(Batch(inputs=inputs, puzzle_identifiers=identifiers))

    def _step(self, lane: int) -> Any:
        """Return the compiled step of a lane; lanes must not share a compiled function."""
        if lane not in self._compiled:

            @partial(mx.compile, inputs=[self.model.state])
            def step(before: _Slots, batch: Batch) -> tuple[Any, ...]:
                carry = fill_halted_slots(self.model, before.carry, batch)
                rows = self.model.puzzle_rows(carry["puzzle_identifiers"])
                carry, out = act_step(self.model, carry, rows, training=False, max_steps=self.max_steps)
                answer = out.logits.argmax(axis=-1).astype(mx.int32)
                same = (answer == before.tokens).all(axis=-1) & (carry["steps"] > 1)
                unchanged = mx.where(same, before.unchanged + 1, 0)
                wants = self.halting.wants_to_halt(out.q_halt_logits, out.q_continue_logits, unchanged)
                q = mx.stack([out.q_halt_logits, out.q_continue_logits], axis=1)
                return {**carry, "halted": carry["halted"] | wants}, answer, unchanged, q

            self._compiled[lane] = step
        return self._compiled[lane]


def enumerate_puzzles(batches: Iterable[Mapping[str, Any]], seq_len: int) -> Iterator[_Puzzle]:
    """Yield the puzzles of all batches, numbered from 0.

    Raises:
        HRMModelError: If the length of a puzzle is not `seq_len`.
    """
    number = 0
    for batch in batches:
        rows = batch["inputs"].tolist()
        identifiers = batch["puzzle_identifiers"].tolist() if "puzzle_identifiers" in batch else [0] * len(rows)
        for inputs, identifier in zip(rows, identifiers, strict=True):
            if len(inputs) != seq_len:
                raise HRMModelError(f"puzzle {number + 1} has {len(inputs)} tokens, but the model needs {seq_len}")
            yield _Puzzle(number, inputs, identifier)
            number += 1


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
