"""The command ``evaluator``: score a model on a test split and report."""

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from hrm_data import IGNORE, Dataset, Task
from hrm_model import ContinuousPredictor

from hrm_evaluator._answers import dataset_batches
from hrm_evaluator._arc import ArcScore, order_by_task, score_arc, write_submission
from hrm_evaluator._errors import UserError
from hrm_evaluator._open import halting_rule, open_task, open_test_split
from hrm_evaluator._progress import progress
from hrm_evaluator._report import print_report
from hrm_evaluator._save import check_new, save_predictions
from hrm_evaluator._score import Evaluation, Example, score_records
from hrm_evaluator._several import Opened, open_models
from hrm_evaluator._vote import VoteBy, answer_by_vote, choose_symmetries
from hrm_evaluator._watch import Watch

if TYPE_CHECKING:
    from hrm_evaluator.cli import Evaluate


def evaluate(settings: "Evaluate") -> int:
    """Score the model and print the report; return the exit code."""
    if settings.save_predictions is not None:
        check_new("--save-predictions", settings.save_predictions)
    if settings.submission is not None:
        check_new("--submission", settings.submission)
    watch = Watch(settings)
    opened = open_models(settings.checkpoint, settings.runs, settings.checkpoints, settings.data_path, settings.task)
    checkpoint, model = opened[0]
    dataset = open_test_split(checkpoint, model, settings.data_path)
    task = open_task(checkpoint, model, dataset.task or settings.task)
    rule = halting_rule(settings)
    predictors = [
        ContinuousPredictor(one.model, settings.batch_size, rule, settings.max_steps, trace=True) for one in opened
    ]
    copies_vote = _copies_vote(settings, dataset, task)
    vote_by: VoteBy = settings.vote_by or ("confidence" if copies_vote else "majority")
    arc = ArcScore(vote_by) if copies_vote else None
    total = min(dataset.examples, settings.limit or dataset.examples)
    order = order_by_task(dataset, task, total) if copies_vote and task is not None else None
    batches = dataset_batches(dataset, predictors[0].batch_size, settings.limit, order)
    records = answer_by_vote(predictors, batches, choose_symmetries(task, settings.votes), vote_by)
    if arc is not None and task is not None:
        records = score_arc(records, task, dataset.identifiers, arc)
    if settings.save_predictions is not None:
        records = save_predictions(records, settings.save_predictions, total, dataset.metadata.seq_len, order)
    for predictor in predictors:
        predictor.prepare(total * settings.votes)
    start = time.perf_counter()
    with progress(total) as advance:
        result = score_records(
            records,
            task,
            predictors[0].max_steps,
            keep=max(settings.show, watch.puzzles),
            vote_by=vote_by,
            advance=advance,
        )
    seconds = time.perf_counter() - start
    if arc is not None and settings.submission is not None:
        write_submission(settings.submission, arc.submission)
    summary = _summary(opened, dataset, result, predictors[0]) | {"puzzles_per_second": total / seconds}
    if arc is not None:
        summary |= {"tasks": arc.tasks, "pass_at": arc.pass_at()}
    elif task is not None:
        of = max(1, result.score.count)
        summary |= {"valid": result.valid / of, "equivalent": result.equivalent / of, "faults": result.faults}
    watch.save(summary, result, task)
    del result.examples[settings.show :]
    if settings.as_json:
        boards = _board_rows(task, result.examples, dataset.metadata.pad_id)
        print(json.dumps({**summary, **_measured(result), "boards": boards}))
    else:
        print_report(summary, result, arc, task)
    return 0


def _copies_vote(settings: "Evaluate", dataset: Dataset, task: Task | None) -> bool:
    """Whether the examples are copies of puzzles that have several tries, as in ARC.

    Raises:
        UserError: If a submission is asked for that there cannot be.
    """
    if task is not None and dataset.identifiers and task.original(dataset.identifiers[0]) is not None:
        return True
    if settings.submission is not None:
        kind = "of an unknown task" if task is None else f"{task.name}"
        raise UserError(
            f"--submission: {dataset.root} is nothing to hand in: its puzzles are {kind}, and it names "
            f"{len(dataset.identifiers)} of them in identifiers.json; choose an ARC dataset with --data-path"
        )
    return False


def _summary(
    opened: list[Opened], dataset: Dataset, result: Evaluation, predictor: ContinuousPredictor
) -> dict[str, Any]:
    means = result.score.means()
    return {
        "checkpoint": str(opened[0].checkpoint.weights),
        "data_path": str(dataset.root),
        "puzzles": result.score.count,
        "accuracy": means["accuracy"],
        "exact_accuracy": means["exact_accuracy"],
        "mean_steps": means["steps"],
        "halting": predictor.halting.kind,
        "max_steps": predictor.max_steps,
        "halt_max_steps": predictor.model.config.halt_max_steps,
        "halting_accuracy": means["q_halt_accuracy"],
        "by_step": [
            {"steps": steps, "halted": result.halted[steps], **tally.means()}
            for steps, tally in enumerate(result.by_step, start=1)
        ],
        **_voted(opened, result),
    }


def _voted(opened: list[Opened], result: Evaluation) -> dict[str, Any]:
    if not result.by_votes:
        return {}
    return {
        "checkpoints": [str(one.checkpoint.weights) for one in opened],
        "by_votes": [{"votes": votes, **tally.means()} for votes, tally in sorted(result.by_votes.items())],
    }


def _measured(result: Evaluation) -> dict[str, list[dict[str, Any]]]:
    if result.measure is None:
        return {}
    rows = [
        {
            result.measure: value,
            "puzzles": tally.puzzles,
            **tally.means(),
        }
        for value, tally in sorted(result.by_measure.items())
    ]
    return {f"by_{result.measure.replace(' ', '_')}": rows}


def _board_rows(task: Task | None, examples: list[Example], pad_id: int) -> list[dict[str, Any]]:
    if task is None:
        return []
    return [
        {
            "puzzle": task.text(task.decode(example.puzzle)),
            "prediction": task.text(task.decode(example.answer)),
            "solution": task.text(task.decode(np.where(example.solution == IGNORE, pad_id, example.solution))),
        }
        for example in examples
    ]
