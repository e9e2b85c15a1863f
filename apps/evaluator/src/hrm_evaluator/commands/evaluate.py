"""The command `evaluator`: scores a model on a test split and reports."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hrm_data import Dataset, Task, whole_solution
from hrm_model import ContinuousPredictor, Noise

from hrm_evaluator._errors import UserError
from hrm_evaluator._output import check_new, to_json
from hrm_evaluator._settings import Evaluate
from hrm_evaluator.answers._predictions import save_predictions
from hrm_evaluator.answers._records import dataset_batches
from hrm_evaluator.answers._vote import (
    ONE_ANSWER,
    SELECTIONS,
    Electorate,
    answer_by_vote,
    choose_selection,
    choose_symmetries,
    commit_rule,
)
from hrm_evaluator.commands._halting import halting_rule
from hrm_evaluator.commands._identifiers import read_identifiers
from hrm_evaluator.commands._progress import progress
from hrm_evaluator.loading._dataset import open_task, open_test_split
from hrm_evaluator.loading._model import LoadedModel, announce_kernels, load_models
from hrm_evaluator.report._files import ReportFiles
from hrm_evaluator.report._terminal import print_report
from hrm_evaluator.scoring._arc import ArcScore, order_by_task, score_arc, write_submission
from hrm_evaluator.scoring._effort import efforts
from hrm_evaluator.scoring._score import Evaluation, Example, score_records


def evaluate(settings: Evaluate) -> int:
    """Score the model and print the report; return the exit code."""
    check_new("--save-predictions", settings.save_predictions)
    check_new("--submission", settings.submission)
    files = ReportFiles(
        settings.report, settings.png, settings.gif, settings.report_puzzles, overwrite=settings.overwrite
    )
    announce_kernels()
    loaded = load_models(settings.named, settings.runs, settings.checkpoints, settings.data_path, settings.task)
    for one in loaded:
        read_identifiers(one.model, settings.identifiers)
    checkpoint, model = loaded[0]
    dataset = open_test_split(checkpoint, model, settings.data_path)
    task = open_task(checkpoint, model, dataset.task or settings.task)
    rule = halting_rule(settings)
    noise, commit = Noise(settings.noise, settings.seed), commit_rule(settings.commit, task)
    predictors = [
        ContinuousPredictor(
            one.model,
            settings.batch_size,
            rule,
            settings.max_steps,
            trace=True,
            noise=noise,
            commit=commit,
        )
        for one in loaded
    ]
    copies_vote = _copies_vote(settings, dataset, task)
    asked = settings.vote_by or ("confidence" if copies_vote else None)
    vote_by = choose_selection(asked, task, settings.trajectories, noise)
    electorate = Electorate(choose_symmetries(task, settings.votes), settings.trajectories, len(loaded))
    arc = ArcScore(vote_by) if copies_vote else None
    total = min(dataset.examples, settings.limit or dataset.examples)
    order = None
    if copies_vote and task is not None:  # the first puzzles, for the copies of one stand together
        order = order_by_task(dataset, task, total)
    batches = dataset_batches(dataset, predictors[0].batch_size, settings.limit, order)
    records = answer_by_vote(predictors, batches, electorate, vote_by, task)
    if arc is not None and task is not None:
        records = score_arc(records, task, dataset.identifiers, arc)
    if settings.save_predictions is not None:
        records = save_predictions(records, settings.save_predictions, total, dataset.metadata.seq_len, order)
    for predictor in predictors:
        predictor.prepare(total * electorate.votes // len(predictors))
    start = time.perf_counter()
    with progress(total) as advance:
        result = score_records(
            records,
            task,
            predictors[0].max_steps,
            keep=max(settings.show, files.puzzles_needed),
            vote_by=vote_by,
            electorate=electorate,
            advance=advance,
        )
    seconds = time.perf_counter() - start
    if arc is not None and settings.submission is not None:
        write_submission(settings.submission, arc.submission)
    summary = _summary(loaded, dataset, result, predictors[0]) | {"puzzles_per_second": total / seconds}
    summary["selection"] = SELECTIONS[vote_by] if electorate.votes > 1 or copies_vote else ONE_ANSWER
    if noise.sigma:
        summary |= {"noise": noise.sigma, "seed": noise.seed}
    if settings.commit is not None:
        summary["commit"] = settings.commit
    bought = efforts(result, seconds)
    summary["efforts"] = [asdict(effort) for effort in bought]
    if arc is not None:
        summary |= {"tasks": arc.tasks, "unanswered_tasks": arc.unanswered, "pass_at": arc.pass_at()}
    elif task is not None:
        of = max(1, result.score.count)
        summary |= {"valid": result.valid / of, "equivalent": result.equivalent / of, "faults": result.faults}
    files.save(summary, result, bought, task)
    del result.examples[settings.show :]
    if settings.as_json:
        boards = _board_rows(task, result.examples)
        print(to_json({**summary, **_measured(result), "boards": boards}))
    else:
        print_report(summary, result, bought, arc, task)
    return 0


def _copies_vote(settings: Evaluate, dataset: Dataset, task: Task | None) -> bool:
    """Whether the examples are copies of puzzles that allow more than one try, as in ARC.

    Raises:
        UserError: If a submission is requested for another task.
    """
    if task is not None and dataset.identifiers and task.originals(dataset.identifiers) is not None:
        return True
    if settings.submission is not None:
        kind = "of an unknown task" if task is None else f"{task.name}"
        raise UserError(
            f"--submission needs an ARC dataset, but in {dataset.root} its puzzles are {kind}, and identifiers.json "
            f"names {len(dataset.identifiers)} of them; choose an ARC dataset with --data-path"
        )
    return False


def _summary(
    loaded: Sequence[LoadedModel], dataset: Dataset, result: Evaluation, predictor: ContinuousPredictor
) -> dict[str, Any]:
    score = result.score
    return {
        "checkpoint": str(loaded[0].checkpoint.weights),
        "data_path": str(dataset.root),
        "puzzles": score.count,
        "accuracy": score.accuracy,
        "exact_accuracy": score.exact_accuracy,
        "mean_steps": score.steps,
        "puzzle_identifiers": predictor.model.config.puzzle_identifiers,
        "halting": predictor.halting.kind,
        "max_steps": predictor.max_steps,
        "halt_max_steps": predictor.model.config.halt_max_steps,
        "halting_accuracy": score.q_halt_accuracy,
        "by_step": [
            {"steps": steps, "halted": result.halted[steps], **tally.means()}
            for steps, tally in enumerate(result.by_step, start=1)
        ],
        **_voted(loaded, result),
    }


def _voted(loaded: Sequence[LoadedModel], result: Evaluation) -> dict[str, Any]:
    if not result.by_votes:
        return {}
    return {
        "checkpoints": [str(one.checkpoint.weights) for one in loaded],
        "by_votes": [{"votes": votes, **tally.means()} for votes, tally in sorted(result.by_votes.items())],
    }


def _measured(result: Evaluation) -> dict[str, list[dict[str, Any]]]:
    if result.measure is None:
        return {}
    rows = [
        {result.measure: value, "puzzles": tally.puzzles, **tally.means()}
        for value, tally in sorted(result.by_measure.items())
    ]
    return {f"by_{result.measure.replace(' ', '_')}": rows}


def _board_rows(task: Task | None, examples: Sequence[Example]) -> list[dict[str, Any]]:
    if task is None:
        return []
    return [
        {
            "puzzle": task.text(task.decode(example.puzzle)),
            "prediction": task.text(task.decode(example.answer)),
            "solution": task.text(task.decode(whole_solution(task, example.puzzle, example.solution))),
        }
        for example in examples
    ]
