"""Compare what can be spent on a puzzle when it is answered: steps, trajectories, copies, committing, search.

    uv run python tests/benchmarks/thinking.py [--checkpoint RUN] [--data-path DIR] [--puzzles N] [--only WORD ...]

A table row for each way: the share of the first test puzzles that is solved, how the answer is selected, the ACT steps
of all answers to a puzzle, these over the steps of one pass, and puzzles per second without the compiler's time.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from hrm_data import open_dataset
from hrm_evaluator import Solution, Solver, load
from hrm_model import HaltingRule
from measure import at_least_one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data-path", type=Path, required=True)
    parser.add_argument("--puzzles", type=at_least_one, default=256)
    parser.add_argument("--batch-size", type=at_least_one, default=64)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.1, 0.2])
    parser.add_argument("--trajectories", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--time-limit", type=float, default=10.0)
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="rows whose name has one of the words")
    args = parser.parse_args()
    test = open_dataset(args.data_path, "test").sets["all"]
    common = {"runs": args.runs, "data_path": args.data_path, "batch_size": args.batch_size}
    usual = load(args.checkpoint, **common).max_steps
    one_pass = 0.0
    print(f"{args.puzzles} puzzles of {args.data_path}, one pass: at most {usual} steps\n")
    print("| with | selected by | exact | steps a puzzle | of one pass | puzzles/s |\n|---|---|---|---|---|---|")
    for name, options in ways(usual, args.noise, args.trajectories).items():
        if one_pass and not any(word in name for word in args.only):
            continue
        solver = load(args.checkpoint, **common, **options)
        exact, steps, rate = measured(solver, test, args.puzzles, args.time_limit, searches=name == "until valid")
        one_pass = one_pass or steps
        by = "checking" if name == "until valid" or options.get("vote_by") == "check" else "the model"
        print(f"| {name} | {by} | {exact:.1%} | {steps:.1f} | {steps / one_pass:.1f} | {rate:.2f} |", flush=True)


def ways(usual: int, sigmas: list[float], counts: list[int]) -> dict[str, dict[str, Any]]:
    """Return the options of each way."""
    found: dict[str, dict[str, Any]] = {
        "one pass": {},
        "4 times the steps": {"max_steps": 4 * usual},
        "1,024 steps": {"max_steps": 1024},
        "1,024 steps, halting stable for 8": {"max_steps": 1024, "halting": HaltingRule("stable", patience=8)},
        "commit 0.99": {"commit": 0.99},
        "commit 0.9": {"commit": 0.9},
        "5 symmetric copies": {"votes": 5},
        "20 symmetric copies": {"votes": 20},
        "20 symmetric copies, halting": {"votes": 20, "vote_by": "halting"},
    }
    for sigma in sigmas:
        for count in counts:
            noisy = {"noise": sigma, "trajectories": count}
            found[f"{count} trajectories, noise {sigma:g}"] = noisy
            found[f"{count} trajectories, noise {sigma:g}, majority"] = {**noisy, "vote_by": "majority"}
    sigma, count = sigmas[0], counts[0]
    found[f"{count} trajectories of 5 copies, noise {sigma:g}"] = {"noise": sigma, "trajectories": count, "votes": 5}
    found[f"{count} trajectories, noise {sigma:g}, commit 0.99"] = {
        "noise": sigma,
        "trajectories": count,
        "commit": 0.99,
    }
    found["until valid"] = {}
    return found


def measured(
    solver: Solver, test: Any, puzzles: int, time_limit: float, *, searches: bool
) -> tuple[float, float, float]:
    """Return exact accuracy, steps of all answers to a puzzle, and puzzles per second."""
    boards = [solver.task.decode(tokens) for tokens in test.inputs[:puzzles]]

    def answers(boards: list[np.ndarray]) -> list[Solution]:
        if searches:
            return list(solver.solve_until_valid(boards, time_limit=time_limit))
        return list(solver.solve_many(boards))

    answers(boards[:1] if searches else boards[: solver.models[0].config.seq_len])  # compiles
    start = time.perf_counter()
    found = answers(boards)
    seconds = time.perf_counter() - start
    right = [
        bool((solution.record.tokens == labels)[labels >= 0].all())
        for solution, labels in zip(found, test.labels, strict=False)
    ]
    steps = [
        solution.search.steps
        if solution.search
        else sum(vote.steps for vote in solution.record.votes or (solution.record.answer,))
        for solution in found
    ]
    return float(np.mean(right)), float(np.mean(steps)), len(found) / seconds


if __name__ == "__main__":
    main()
