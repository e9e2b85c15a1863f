"""Loading a trained model as a solver."""

from pathlib import Path

from hrm_data import HRMDataError
from hrm_model import HaltingRule, HRMModelError, Noise
from hrm_train import HRMTrainError

from hrm_evaluator._errors import UserError, in_python
from hrm_evaluator._solver import Solver
from hrm_evaluator.answers._vote import VoteBy
from hrm_evaluator.loading._dataset import require_task
from hrm_evaluator.loading._model import load_models


@in_python
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
    vote_by: VoteBy | None = None,
    trajectories: int = 1,
    noise: float = 0.0,
    seed: int = 0,
    commit: float | None = None,
    compiled: bool = True,
) -> Solver:
    """Load a trained model; any thread may load it, and any may use it.

    Args:
        checkpoint: A run directory (its newest checkpoint), a checkpoint directory, a `.safetensors` file, the name of
            a model that comes along, such as `sudoku-9x9`, a checkpoint of the reference implementation, or one on the
            Hugging Face hub, such as `hf://sapientinc/HRM-checkpoint-sudoku-extreme`; the newest run when left out.
        runs: Directory that holds the run directories.
        data_path: Dataset directory that names the task; the run's own when left out.
        task: Name of the task, such as `sudoku` or `sudoku-2x3`, if neither file, run nor dataset names it.
        halting: When the model stops on a puzzle: by default when `q_halt > q_continue`. `HaltingRule("max")` always
            takes all steps, as the reference does.
        max_steps: The most ACT steps of a puzzle; as many as in training when left out.
        batch_size: Puzzles that the model works on at once.
        votes: Answers to each puzzle: one to the puzzle itself, the others to symmetric copies of it.
        checkpoints: Number of the run's newest checkpoints that vote.
        vote_by: How votes choose an answer: `majority` of equal answers; `confidence`, their mean probability of being
            right; `halting`, the highest such probability; `check`, the majority of those that obey the rules. By
            default the majority, and `halting` with more than one trajectory.
        trajectories: Answers to each puzzle, and each copy of it, on ways that differ by their noise.
        noise: Standard deviation of Gaussian noise on the states before every step. With noise, an answer is that of
            the step with the highest halting value.
        seed: Seed of the noise.
        commit: When a puzzle has had all steps and has not halted, cells of at least this probability are fixed in the
            puzzle, or the surest one, and it gets as many steps again. None never fixes cells.
        compiled: Whether the model is compiled. On a Linux CPU that takes seconds at the first time; for a puzzle or
            two it is not worth it.

    Raises:
        UserError: If there is no such checkpoint, if it is damaged or does not fit the dataset or task, if the task has
            too few symmetries or does not fit a setting, or if the run has too few checkpoints.
    """
    data_path = None if data_path is None else Path(data_path)
    try:
        loaded = load_models(checkpoint, Path(runs), checkpoints, data_path, task)
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
            trajectories,
            Noise(noise, seed),
            commit,
            compiled,
        )
    except (HRMDataError, HRMModelError, HRMTrainError) as error:
        raise UserError(str(error)) from error
