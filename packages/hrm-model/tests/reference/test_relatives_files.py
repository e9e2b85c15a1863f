"""Checkpoints of the releases related to HRM answer here what they answer there, and go back to their layouts."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import yaml
from hrm_model import (
    HRM,
    Batch,
    HRMConfig,
    HRMModelError,
    Predictor,
    load_reference,
    our_name,
    read_reference_config,
    reference_config,
    reference_name,
    save_reference_weights,
)
from hrm_model.reference._torch_file import read_hyper_parameters
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten

FIXTURES = Path(__file__).parent / "fixtures"
TOLERANCE = 1e-4
LENGTH = 16

# What each file is, as the configuration tells it.
FOUND = {
    "trm": ("trm", "attention", "rope", "bce"),
    "trm_learned": ("trm", "attention", "learned", "q_learning"),
    "trm_mlp": ("trm", "mlp", "none", "bce"),
    "trm_no_table": ("trm", "attention", "none", "bce"),
    "hrm_copy": ("hrm", "attention", "rope", "q_learning"),
    "flat": ("transformer", "attention", "rope", "q_learning"),
    "nano": ("trm", "attention", "rope", "bce"),
    "nano_mlp": ("trm", "mlp", "none", "bce"),
}


def answers(model: HRM, expected: Any) -> dict[str, np.ndarray]:
    batch = Batch(**{name: mx.array(expected[name].astype(np.int32)) for name in ("inputs", "puzzle_identifiers")})
    made = Predictor(model)(batch)
    return {"logits": made.logits, "q_halt": made.q_halt_logits, "q_continue": made.q_continue_logits}


@pytest.mark.parametrize("name", FOUND)
def test_logits_and_halting_are_those_of_the_release(name: str) -> None:
    expected = np.load(FIXTURES / name / "expected.npz")
    model = load_reference(FIXTURES / name, LENGTH, forward_dtype="float32")
    config = model.config
    assert (config.variant, config.mixer, config.pos_encodings, config.halt_loss) == FOUND[name]
    ours = answers(model, expected)
    for output in ("logits", "q_halt", "q_continue") if config.halt_loss == "q_learning" else ("logits", "q_halt"):
        theirs = expected[output]
        assert np.linalg.norm(np.array(ours[output]) - theirs) <= TOLERANCE * np.linalg.norm(theirs), output


@pytest.mark.parametrize("name", ["trm_learned", "trm_mlp", "nano", "nano_mlp"])
def test_a_length_that_the_file_tells_need_not_be_given_and_another_is_refused(name: str) -> None:
    assert load_reference(FIXTURES / name).config.seq_len == LENGTH
    with pytest.raises(HRMModelError, match=r"a puzzle has 16 tokens by .*, but 15 by seq_len"):
        load_reference(FIXTURES / name, LENGTH - 1)


@pytest.mark.parametrize("name", [name for name in FOUND if not name.startswith("nano")])
def test_the_name_of_the_architecture_decides_nothing_and_an_export_has_the_releases_configuration(
    name: str, tmp_path: Path
) -> None:
    content = yaml.safe_load((FIXTURES / name / "all_config.yaml").read_text())
    original = {key: value for key, value in content["arch"].items() if key != "loss"}
    content["arch"]["name"] = "elsewhere@Model"
    (tmp_path / "all_config.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "step_10").write_bytes((FIXTURES / name / "step_10").read_bytes())
    exported = reference_config(load_reference(tmp_path, LENGTH).config)
    if name == "hrm_copy":  # is a model of HRM's own release as well
        original |= {"name": exported["name"]}
        del original["mlp_t"]
    assert {key: exported[key] for key in original} == original


relatives = st.sampled_from(
    [
        {"variant": "trm", "halt_loss": "bce", "puzzle_emb_len": 3},
        {"variant": "trm", "halt_loss": "bce", "mixer": "mlp", "pos_encodings": "none", "puzzle_emb_len": 2},
        {"variant": "trm", "pos_encodings": "learned"},
        {"variant": "trm", "halt_loss": "bce", "puzzle_emb_ndim": 0, "num_puzzle_identifiers": 1},
        {"mixer": "mlp"},
        {"pos_encodings": "none"},
        {"variant": "transformer", "H_layers": 3},
    ]
)


@settings(max_examples=30, deadline=None)
@given(changes=relatives, L_layers=st.integers(1, 3), cycles=st.integers(1, 4), length=st.integers(1, 9))
def test_exporting_and_importing_gives_the_same_model(
    changes: dict[str, Any], L_layers: int, cycles: int, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fields = {"puzzle_emb_ndim": 8, "num_puzzle_identifiers": 3, "L_layers": L_layers, "L_cycles": cycles, **changes}
    model = HRM(HRMConfig(hidden_size=8, num_heads=2, seq_len=length, vocab_size=5, **fields))
    folder = tmp_path_factory.mktemp("relative")
    save_reference_weights(model, folder / "step_7.safetensors")
    (folder / "all_config.yaml").write_text(yaml.safe_dump({"arch": reference_config(model.config)}))
    loaded = load_reference(folder)
    unused = {"trm": {"H_layers"}, "transformer": {"L_layers"}}.get(model.config.variant, set())
    assert loaded.config.model_dump(exclude=unused) == model.config.model_dump(exclude=unused)
    ours, theirs = (dict(tree_flatten(one.parameters())) for one in (model, loaded))
    assert ours.keys() == theirs.keys()
    assert all(mx.array_equal(ours[name], theirs[name]) for name in ours if changes.get("variant") != "transformer")


@given(st.data())
def test_wrappers_may_stand_anywhere_in_a_name(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(["L_level.layers.0.mlp.down_proj.weight", "embed_tokens.weight", "puzzle_emb.weight", "H_init"])
    )
    parts = reference_name(name).split(".")
    at = data.draw(st.integers(0, len(parts) - 1))
    wrapper = data.draw(st.sampled_from(["_orig_mod", "module"]))
    assert our_name(".".join([*parts[:at], wrapper, *parts[at:]])) == name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop("model.inner.H_init"), "H_init should have shape .*is missing; models of HRM"),
        (lambda w: w.update({"model.inner.L1_init": w.pop("model.inner.L_init")}), "L1_init"),
        (lambda w: w.update({"model.inner.L_level.layers.0.mlp.dwconv.weight": mx.zeros((2, 2))}), "holds .*dwconv"),
    ],
)
def test_relatives_with_another_state_or_other_blocks_are_refused_by_parameter(
    change: Callable[[dict[str, mx.array]], object], says: str, make_model: Callable[..., HRM], tmp_path: Path
) -> None:
    model = make_model(variant="trm", halt_loss="bce")
    save_reference_weights(model, tmp_path / "step_7.safetensors")
    (tmp_path / "all_config.yaml").write_text(yaml.safe_dump({"arch": reference_config(model.config)}))
    weights = dict(mx.load(str(tmp_path / "step_7.safetensors")))
    mx.eval(weights)
    change(weights)
    mx.save_safetensors(str(tmp_path / "step_7.safetensors"), weights)
    with pytest.raises(HRMModelError, match=says):
        load_reference(tmp_path, model.config.seq_len)


def lightning(content: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("last/data.pkl", pickle.dumps(content, 2))
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"use_conv_swiglu": True}, "use_conv_swiglu is True in its hyper_parameters; no model here computes that"),
        ({"pos_emb_type": "2d"}, "pos_emb_type is 2d"),
        ({"num_layers": None}, "have no num_layers; of Lightning checkpoints, those of nano-trm are read"),
        (None, "no checkpoint of Lightning with hyper_parameters"),
    ],
)
def test_other_checkpoints_of_lightning_are_refused_with_the_reason(
    change: dict[str, Any] | None, says: str, tmp_path: Path
) -> None:
    given = read_hyper_parameters(FIXTURES / "nano" / "last.ckpt")
    content: dict[str, Any] = {"pytorch-lightning_version": "2.6", "state_dict": {}}
    if change is not None:
        content["hyper_parameters"] = {k: v for k, v in {**given, **change}.items() if v is not None}
    (tmp_path / "last.ckpt").write_bytes(lightning(content))
    with pytest.raises(HRMModelError, match=says):
        read_reference_config(tmp_path / "last.ckpt")
