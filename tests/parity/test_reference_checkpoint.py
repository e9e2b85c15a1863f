"""A checkpoint that the reference's trainer wrote answers here what it answers there."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import Batch, ContinuousPredictor, HaltingRule, Predictor, load_reference

FOLDER = Path(__file__).parent / "fixtures" / "reference_checkpoint"
TOLERANCE = 1e-4


@pytest.mark.parametrize("path", [FOLDER, FOLDER / "step_2"])
def test_an_imported_checkpoint_gives_the_references_logits(path: Path) -> None:
    expected = np.load(FOLDER / "step_2_eval.npz")
    model = load_reference(path, seq_len=16)
    batch = Batch(**{name: mx.array(expected[f"step2/batch/{name}"]) for name in Batch.__annotations__})
    prediction = Predictor(model)(batch)
    for name in ("logits", "q_halt_logits", "q_continue_logits"):
        theirs = expected[f"eval/outputs/{name}"]
        ours = np.array(getattr(prediction, name))
        assert np.linalg.norm(ours - theirs) <= TOLERANCE * np.linalg.norm(theirs)


@pytest.mark.parametrize("slots", [1, 3, 64])
def test_never_halting_early_gives_the_references_answers_in_any_number_of_slots(slots: int) -> None:
    expected = np.load(FOLDER / "step_2_eval.npz")
    batch = {name: expected[f"step2/batch/{name}"] for name in ("inputs", "puzzle_identifiers")}
    predictor = ContinuousPredictor(load_reference(FOLDER, seq_len=16), slots, HaltingRule("max"))
    answers = list(predictor([batch]))
    assert [answer.tokens for answer in answers] == expected["eval/outputs/logits"].argmax(axis=-1).tolist()
    for name in ("q_halt", "q_continue"):
        ours = [getattr(answer, name) for answer in answers]
        np.testing.assert_allclose(ours, expected[f"eval/outputs/{name}_logits"], rtol=TOLERANCE, atol=TOLERANCE)
