"""The command `evaluator compare`: scores runs on the same puzzles and prints one table in Markdown."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrm_data import Dataset, file_checksums, fingerprint
from hrm_data.terminal import say
from hrm_model import ContinuousPredictor, HaltingRule, HRMConfig, model_size
from hrm_train import step_of

from hrm_evaluator._errors import UserError
from hrm_evaluator._output import to_json
from hrm_evaluator._settings import Compare
from hrm_evaluator.answers._records import answer_batches, dataset_batches
from hrm_evaluator.commands._halting import halting_rule
from hrm_evaluator.commands._identifiers import read_identifiers
from hrm_evaluator.commands._progress import progress
from hrm_evaluator.loading._checkpoint import find_checkpoint
from hrm_evaluator.loading._dataset import open_task, open_test_split
from hrm_evaluator.loading._model import LoadedModel, announce_kernels, load_one
from hrm_evaluator.loading._training import training_seconds
from hrm_evaluator.scoring._score import score_records

_NOT_MEASURED = "-"


def compare(runs: Sequence[str], settings: Compare) -> int:
    """Score each run's newest checkpoint, or a checkpoint, and print the table; return the exit code.

    Raises:
        UserError: If fewer than two are named, if one belongs to no run, or if their puzzles differ.
    """
    if len(runs) < 2:
        raise UserError(f"compare needs two runs or more, but got {len(runs)}; write evaluator compare RUN RUN")
    rule = halting_rule(settings)
    opened = [_open(run, settings) for run in runs]
    _refuse_other_puzzles(opened)
    announce_kernels()
    rows = [_row(loaded, dataset, rule, settings) for loaded, dataset in opened]
    if settings.as_json:
        print(to_json(rows))
    else:
        say(_markdown(rows))
    return 0


def variant_of(config: HRMConfig) -> str:
    """Return the variant of a model, and what else sets it apart from the one of that name."""
    parts: list[str] = [config.variant]
    if config.symbol_equivariant:
        parts.append("symbol-equivariant")
    if config.mixer != "attention":
        parts.append(f"mixer {config.mixer}")
    if config.puzzle_identifiers == "blank" and config.puzzle_emb_ndim:
        parts.append("blank identifiers")
    return ", ".join(parts)


def _open(name: str, settings: Compare) -> tuple[LoadedModel, Dataset]:
    checkpoint = find_checkpoint(name, Path())
    if checkpoint.run is None:
        raise UserError(f"{name}: belongs to no run, so its training is not known; name a run directory")
    model = read_identifiers(load_one(checkpoint), settings.identifiers)
    return LoadedModel(checkpoint, model), open_test_split(checkpoint, model, settings.data_path)


def _refuse_other_puzzles(opened: Sequence[tuple[LoadedModel, Dataset]]) -> None:
    """Raise unless all runs are scored on the same test puzzles."""
    known = {dataset.root.resolve(): dataset for _, dataset in opened}
    first, *others = known
    for root in others:
        if _test_puzzles(root) != _test_puzzles(first):
            raise UserError(
                f"the test puzzles in {known[root].root} are not those in {known[first].root}, so the scores would not "
                "be comparable; name one dataset for all with --data-path"
            )


def _test_puzzles(root: Path) -> str:
    return fingerprint({name: digest for name, digest in file_checksums(root).items() if not name.startswith("train/")})


def _row(loaded: LoadedModel, dataset: Dataset, rule: HaltingRule, settings: Compare) -> dict[str, Any]:
    (checkpoint, model), run = loaded, loaded.checkpoint.run
    assert run is not None
    task = open_task(checkpoint, model, dataset.task)
    predictor = ContinuousPredictor(model, settings.batch_size, rule, settings.max_steps, trace=True)
    total = min(dataset.examples, settings.limit or dataset.examples)
    predictor.prepare(total)
    start = time.perf_counter()
    with progress(total) as advance:
        records = answer_batches(predictor, dataset_batches(dataset, predictor.batch_size, total))
        score = score_records(records, task, predictor.max_steps, advance=advance).score
    seconds = time.perf_counter() - start
    steps = step_of(checkpoint.weights.parent)
    trained = training_seconds(run, steps)
    return {
        "run": str(run.path),
        "checkpoint": str(checkpoint.weights),
        "variant": variant_of(model.config),
        "parameters": model_size(model.config).parameters,
        "steps": steps,
        "minutes": None if trained is None else trained / 60,
        "puzzles": score.count,
        "exact_accuracy": score.exact_accuracy,
        "mean_steps": score.steps,
        "puzzles_per_second": total / seconds,
    }


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| variant | parameters | steps | minutes | exact | mean steps | puzzles/s | run |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        cells = (
            row["variant"],
            f"{row['parameters']:,}",
            f"{row['steps']:,}",
            _NOT_MEASURED if row["minutes"] is None else f"{row['minutes']:.1f}",
            f"{row['exact_accuracy']:.1%}",
            f"{row['mean_steps']:.2f}",
            f"{row['puzzles_per_second']:,.1f}",
            Path(row["run"]).name.replace("|", "\\|"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
