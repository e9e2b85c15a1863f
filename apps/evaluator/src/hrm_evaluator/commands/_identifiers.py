"""Which row of the puzzle table a model reads in an evaluation."""

from typing import Literal

from hrm_model import HRM

from hrm_evaluator._errors import UserError


def read_identifiers(model: HRM, asked: Literal["given", "blank"] | None) -> HRM:
    """Return the model, which from now on reads the rows that `--identifiers` asks for; None: as in training.

    Raises:
        UserError: If the model has no puzzle table.
    """
    if asked is None:
        return model
    if not model.config.puzzle_emb_ndim:
        raise UserError(f"--identifiers {asked}: the model has no puzzle table (puzzle_emb_ndim is 0); leave it out")
    model.config = model.config.model_copy(update={"puzzle_identifiers": asked})
    return model
