"""What buys accuracy: the exact accuracy by steps, trajectories and votes, and what each costs."""

from dataclasses import dataclass

from hrm_evaluator.scoring._score import Evaluation, Tally, vote_counts


@dataclass(frozen=True)
class Effort:
    """A way to spend computation on every puzzle, and what it buys.

    Attributes:
        by: What there is more or less of: `steps`, `trajectories`, `symmetric copies`, `checkpoints` or `votes`.
        count: How many of them.
        exact_accuracy: Share of the puzzles that are solved.
        steps_per_puzzle: Mean number of ACT steps of all answers to a puzzle.
        puzzles_per_second: Puzzles that this evaluation's steps per second would allow.
    """

    by: str
    count: int
    exact_accuracy: float
    steps_per_puzzle: float
    puzzles_per_second: float


def efforts(result: Evaluation, seconds: float) -> list[Effort]:
    """Return the rows of all ways that an evaluation tells about; those by steps are of the chosen answers.

    Args:
        result: The evaluation.
        seconds: Its duration.
    """
    rate = result.steps / seconds
    counts = vote_counts(len(result.by_step)) if result.by_step else []
    kinds: dict[str, dict[int, Tally]] = {"steps": {count: result.by_step[count - 1] for count in counts}}
    kinds |= result.by_kind
    if len(result.by_kind) > 1:
        kinds["votes"] = result.by_votes
    rows = []
    for kind, tallies in kinds.items():
        for count, tally in sorted(tallies.items()):
            if tally.puzzles:
                steps = tally.steps / tally.puzzles
                rows.append(Effort(kind, count, tally.means()["exact_accuracy"], steps, rate / steps))
    return rows
