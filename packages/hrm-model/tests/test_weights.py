from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
from hrm_model import HRM, HRMModelError, Prediction, Score, load_model, save_weights, score
from mlx.utils import tree_flatten


@pytest.mark.parametrize("changes", [{}, {"pos_encodings": "learned", "puzzle_emb_ndim": 0}])
def test_a_model_comes_back_bit_for_bit(changes: dict, make_model: Callable[..., HRM], tmp_path: Path) -> None:
    model = make_model(**changes)
    save_weights(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    ours, theirs = dict(tree_flatten(model.parameters())), dict(tree_flatten(loaded.parameters()))
    assert ours.keys() == theirs.keys()
    assert all(mx.array_equal(ours[name], theirs[name]) for name in ours)
    trainable = dict(tree_flatten(model.trainable_parameters())).keys()
    assert trainable == dict(tree_flatten(loaded.trainable_parameters())).keys()


def test_a_path_may_be_a_string(make_model: Callable[..., HRM], tmp_path: Path) -> None:
    model = make_model()
    save_weights(model, str(tmp_path / "model.safetensors"))
    assert load_model(str(tmp_path / "model.safetensors")).config == model.config


@pytest.fixture
def saved(make_model: Callable[..., HRM], tmp_path: Path) -> Path:
    save_weights(make_model(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewrite(path: Path, change: Callable[[dict, dict], object]) -> None:
    arrays, metadata = mx.load(str(path), return_metadata=True)
    mx.eval(arrays)
    change(arrays, metadata)
    mx.save_safetensors(str(path), arrays, metadata=metadata)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "cannot be read"),
        (lambda path: rewrite(path, lambda _, m: m.clear()), "no 'config'"),
        (lambda path: rewrite(path, lambda _, m: m.update(config="{")), "configuration is not valid"),
        (lambda path: rewrite(path, lambda _, m: m.update(config='{"seq_len": 4}')), "vocab_size"),
        (lambda path: rewrite(path, lambda a, _: a.pop("lm_head.weight")), "lm_head.weight"),
        (lambda path: rewrite(path, lambda a, _: a.update(extra=mx.zeros(1))), "extra"),
        (lambda path: rewrite(path, lambda a, _: a.update(H_init=mx.zeros(3))), "H_init should have shape"),
    ],
)
def test_an_unusable_file_is_refused_by_name_with_the_reason(
    spoil: Callable[[Path], object], says: str, saved: Path
) -> None:
    spoil(saved)
    with pytest.raises(HRMModelError, match=r"model\.safetensors: ") as caught:
        load_model(saved)
    assert says in str(caught.value)


def test_scoring_counts_labelled_positions_of_labelled_puzzles() -> None:
    logits = mx.zeros((4, 2, 3)).at[:, :, 1].add(1)  # the answer is always 1 1
    prediction = Prediction(logits, mx.array([1.0, 1.0, -1.0, 1.0]), mx.zeros(4), mx.array([1, 2, 3, 4]))
    labels = mx.array([[1, 1], [1, 2], [-100, 1], [-100, -100]])
    batch = {"inputs": mx.zeros((4, 2)), "labels": labels, "puzzle_identifiers": mx.zeros(4)}
    total = score(prediction, batch)
    assert total == Score(3, (2.5, 2, 1, 6))
    assert (total.accuracy, total.steps) == pytest.approx((2.5 / 3, 2))
    assert (total + total).means() == pytest.approx({**total.means(), "count": 6})
    assert total.means()["exact_accuracy"] == pytest.approx(2 / 3)


def test_nothing_to_score_is_zero_and_not_a_division_by_zero() -> None:
    assert set(Score().means().values()) == {0}


def test_a_batch_without_labels_cannot_be_scored() -> None:
    prediction = Prediction(mx.zeros((1, 2, 3)), mx.zeros(1), mx.zeros(1), mx.ones(1))
    with pytest.raises(HRMModelError, match="has no labels"):
        score(prediction, {"inputs": mx.zeros((1, 2))})
