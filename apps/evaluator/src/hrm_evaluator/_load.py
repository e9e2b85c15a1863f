"""Loading a trained model as a solver."""

from pathlib import Path

from hrm_data import HRMDataError
from hrm_model import HaltingRule, HRMModelError
from hrm_train import HRMTrainError

from hrm_evaluator._errors import UserError
from hrm_evaluator._solver import Solver
from hrm_evaluator.answers._vote import VoteBy
from hrm_evaluator.loading._dataset import require_task
from hrm_evaluator.loading._model import load_models


def load(
    checkpoint: str | Path | None = None,
    *,
    runs: str | Path = "runs",
    data_path: str | Path | None = None,
    task: str | None = None,
    halting: HaltingRule = HaltingRule(),  # noqa: B008 (a tuple, so never changed)
    max_steps: int | None = None,
    batch_size: int = 128,
    votes: int = 1,
    checkpoints: int = 1,
    vote_by: VoteBy = "majority",
) -> Solver:
    """Load a trained model.

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint directory, a `.safetensors` file, a checkpoint
            of the reference implementation, or the id of one on the Hugging Face hub, such as
            `sapientinc/HRM-checkpoint-sudoku-extreme`; the newest run when left out.
        runs: Directory that holds the run directories.
        data_path: Dataset directory that names the task; the run's own when left out.
        task: Name of the task, such as `sudoku` or `sudoku-2x3`, if neither file, run nor dataset names it.
        halting: When the model stops on a puzzle: by default when `q_halt > q_continue`. `HaltingRule("max")` always
            takes all steps, as the reference does.
        max_steps: The most ACT steps of a puzzle; as many as in training when left out.
        batch_size: Puzzles that the model works on at once.
        votes: Answers to each puzzle: one to the puzzle itself, the others to symmetric copies of it.
        checkpoints: Number of the run's newest checkpoints that vote.
        vote_by: How votes choose an answer: `majority` of equal answers, or `confidence`, their mean probability of
            being right.

    Raises:
        UserError: If there is no such checkpoint, if it is damaged or does not fit the dataset or task, if the task has
            too few symmetries, or if the run has too few checkpoints.
    """
    data_path = None if data_path is None else Path(data_path)
    try:
        loaded = load_models(None if checkpoint is None else Path(checkpoint), Path(runs), checkpoints, data_path, task)
        found, model = loaded[0]
        return Solver(
            [one.model for one in loaded],
            require_task(found, model, data_path, task),
            found.weights,
            halting,
            max_steps,
            batch_size,
            data_path or found.setting("data_path", str),
            votes,
            vote_by,
        )
    except (HRMDataError, HRMModelError, HRMTrainError) as error:
        raise UserError(str(error)) from error
