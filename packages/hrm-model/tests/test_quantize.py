from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
from hrm_model import (
    HRM,
    Batch,
    ContinuousPredictor,
    HRMConfig,
    HRMModelError,
    Quantization,
    dequantized,
    load_model,
    quantize,
    save_weights,
)


@pytest.fixture
def model(make_model: Callable[..., HRM]) -> HRM:
    return make_model(hidden_size=64, puzzle_emb_ndim=64)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_model_comes_back_from_its_file_as_it_was(
    bits: int, model: HRM, make_batch: Callable[[HRMConfig], Batch], tmp_path: Path
) -> None:
    whole, path = tmp_path / "whole.safetensors", tmp_path / "small.safetensors"
    save_weights(model, whole)
    quantize(model, Quantization(bits=bits))
    save_weights(model, path)
    loaded = load_model(path)
    assert loaded.quantization == model.quantization
    assert loaded.config == model.config
    batch = dict(make_batch(model.config))
    answers, expected = (list(ContinuousPredictor(m, 4)([batch])) for m in (loaded, model))
    assert answers == expected
    assert path.stat().st_size < whole.stat().st_size * (bits + 2) / 32 + 20_000  # names, norms, heads


def test_eight_bits_answer_nearly_as_the_whole(model: HRM, make_batch: Callable[[HRMConfig], Batch]) -> None:
    batch = make_batch(model.config)
    x = model.embed(batch["inputs"], model.puzzle_rows(batch["puzzle_identifiers"]))
    z = mx.zeros(x.shape)
    exact = model(z, z, x)
    errors = []
    for bits in (8, 4):
        small = HRM(model.config)
        small.update(model.parameters())
        quantize(small, Quantization(bits=bits))
        x = small.embed(batch["inputs"], small.puzzle_rows(batch["puzzle_identifiers"]))
        out = small(z, z, x)
        assert out.logits.dtype == exact.logits.dtype
        errors.append(float(mx.abs(out.logits - exact.logits).max() / mx.abs(exact.logits).max()))
    assert errors[0] < 0.1
    assert errors[0] < errors[1]


def test_a_model_is_quantised_once(model: HRM) -> None:
    quantize(model, Quantization(bits=8))
    with pytest.raises(HRMModelError, match="8 bits already"):
        quantize(model, Quantization(bits=4))


@pytest.mark.parametrize("text", ["{", '{"bits": 3}', '{"bits": 4, "group_size": 32, "more": 1}'])
def test_a_damaged_entry_of_the_file_is_named(text: str, model: HRM, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    metadata = {"config": model.config.model_dump_json(), "quantization": text}
    mx.save_safetensors(str(path), {"a": mx.zeros((1,))}, metadata=metadata)
    with pytest.raises(HRMModelError, match="quantization is not valid"):
        load_model(path)


def test_a_file_that_says_another_number_of_bits_is_refused(model: HRM, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    quantize(model, Quantization(bits=8))
    save_weights(model, path)
    arrays = mx.load(str(path))
    metadata = {"config": model.config.model_dump_json(), "quantization": '{"bits": 4}'}
    mx.save_safetensors(str(path), arrays, metadata=metadata)
    with pytest.raises(HRMModelError, match="should have shape"):
        load_model(path)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_dequantised_model_answers_the_same_in_whole_weights(
    bits: int, model: HRM, make_batch: Callable[[HRMConfig], Batch], tmp_path: Path
) -> None:
    assert dequantized(model) is model
    model.task = "{}"
    quantize(model, Quantization(bits=bits))
    whole = dequantized(model)
    assert whole.quantization is None
    assert whole.task == model.task
    batch = dict(make_batch(model.config))
    for answer, expected in zip(*(list(ContinuousPredictor(m, 4)([batch])) for m in (whole, model)), strict=True):
        assert answer.tokens == expected.tokens
        assert answer.q_halt == pytest.approx(expected.q_halt, abs=1e-3)
    path = tmp_path / "whole.safetensors"
    save_weights(whole, path)
    assert load_model(path).config == model.config
