import sys
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
import yaml
from hrm_model import (
    HRM,
    HRMConfig,
    HRMModelError,
    find_reference,
    load_reference,
    our_name,
    read_reference_config,
    reference_config,
    reference_name,
    save_reference_weights,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten


def write(model: HRM, folder: Path, **changes: object) -> Path:
    """Export a model the way the reference lays it out, with changes to the section ``arch``."""
    folder.mkdir(parents=True, exist_ok=True)
    save_reference_weights(model, folder / "step_7.safetensors")
    arch = {name: value for name, value in {**reference_config(model.config), **changes}.items() if value is not None}
    (folder / "all_config.yaml").write_text(yaml.safe_dump({"arch": arch, "lr": 1e-4, "eval_save_outputs": []}))
    return folder / "step_7.safetensors"


def same(ours: HRM, theirs: HRM) -> bool:
    a, b = (dict(tree_flatten(model.parameters())) for model in (ours, theirs))
    return a.keys() == b.keys() and all(mx.array_equal(a[name], b[name]) for name in a)


configs = st.fixed_dictionaries(
    {
        "H_layers": st.integers(1, 3),
        "L_layers": st.integers(1, 3),
        "hidden_size": st.sampled_from([8, 16]),
        "expansion": st.sampled_from([1.0, 2.5, 4]),
        "pos_encodings": st.sampled_from(["rope", "learned"]),
        "puzzle_emb_ndim": st.sampled_from([0, 4, 16, 24]),
        "seq_len": st.integers(1, 9),
        "vocab_size": st.integers(2, 9),
        "num_puzzle_identifiers": st.integers(2, 5),
        "halt_max_steps": st.integers(1, 64),
        "halt_exploration_prob": st.sampled_from([0.0, 0.1]),
        "rope_theta": st.sampled_from([10000.0, 500.0]),
        "forward_dtype": st.sampled_from(["float32", "bfloat16"]),
    }
)


@settings(max_examples=40, deadline=None)
@given(changes=configs)
def test_exporting_and_importing_gives_the_same_model_bit_for_bit(
    changes: dict, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not changes["puzzle_emb_ndim"]:
        changes["num_puzzle_identifiers"] = 1  # there is no table to read the number off
    model = HRM(HRMConfig(num_heads=2, H_cycles=3, L_cycles=1, **changes))
    path = write(model, tmp_path_factory.mktemp("reference"))
    loaded = load_reference(path, model.config.seq_len)
    assert loaded.config == model.config
    assert same(loaded, model)


def test_names_translate_there_and_back_with_and_without_what_compilation_adds(
    make_model: Callable[..., HRM],
) -> None:
    for model in (make_model(), make_model(pos_encodings="learned")):
        names = [name for name, _ in tree_flatten(model.parameters())]
        for name in names:
            theirs = reference_name(name)
            assert theirs.startswith("model.inner.")
            for prefix in ("", "_orig_mod.", "module.", "module._orig_mod."):
                assert our_name(prefix + theirs) == name
            assert our_name(theirs.removeprefix("model.")) == name
            assert our_name(theirs.replace("model.", "model._orig_mod.", 1)) == name
        assert len({reference_name(name) for name in names}) == len(names)


def test_bfloat16_weights_become_the_same_numbers_in_float32(make_model: Callable[..., HRM], tmp_path: Path) -> None:
    model = make_model()
    model.update({"lm_head": {"weight": model.lm_head.weight.astype(mx.bfloat16)}})
    loaded = load_reference(write(model, tmp_path), model.config.seq_len)
    assert loaded.lm_head.weight.dtype == mx.float32
    assert mx.array_equal(loaded.lm_head.weight, model.lm_head.weight)


def test_a_directory_stands_for_its_newest_step_or_its_published_file(tmp_path: Path) -> None:
    for step in (9, 10, 2):
        (tmp_path / f"step_{step}").touch()
    (tmp_path / "step_20_all_preds.0").touch()  # what the reference saves of evaluations
    assert find_reference(tmp_path) == tmp_path / "step_10"
    (tmp_path / "checkpoint").touch()
    assert find_reference(tmp_path) == tmp_path / "checkpoint"
    assert find_reference(tmp_path / "step_2") == tmp_path / "step_2"


def test_pytorchs_own_format_is_what_pytorch_reads_and_comes_back_the_same(
    make_model: Callable[..., HRM], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch's own format is written by PyTorch, which is not installed")
    model = make_model()
    write(model, tmp_path)
    save_reference_weights(model, tmp_path / "step_10")
    read = torch.load(tmp_path / "step_10", weights_only=True)
    assert read["_orig_mod.model.inner.lm_head.weight"].tolist() == model.lm_head.weight.tolist()
    assert same(load_reference(tmp_path / "step_10", model.config.seq_len), model)


def test_pytorchs_own_format_without_pytorch_says_what_to_do(
    make_model: Callable[..., HRM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(HRMModelError, match=r"step_10.*install it or choose a name that ends in \.safetensors"):
        save_reference_weights(make_model(), tmp_path / "step_10")


def test_a_length_that_no_file_holds_is_asked_for(make_model: Callable[..., HRM], tmp_path: Path) -> None:
    model = make_model()
    path = write(model, tmp_path)
    weights = dict(mx.load(str(path)))
    mx.eval(weights)
    mx.save_safetensors(str(path), weights)  # as other programs write it, without our metadata
    with pytest.raises(HRMModelError, match=r"step_7.*rotary positions.*sequence length"):
        load_reference(path)


def test_a_file_of_ours_says_its_length_and_its_task(make_model: Callable[..., HRM], tmp_path: Path) -> None:
    model = make_model()
    model.task = '{"task": "sudoku", "box": [2, 2]}'
    loaded = load_reference(write(model, tmp_path))
    assert (loaded.config.seq_len, loaded.task) == (model.config.seq_len, model.task)


def test_learned_positions_hold_the_length(make_model: Callable[..., HRM], tmp_path: Path) -> None:
    model = make_model(pos_encodings="learned")
    path = write(model, tmp_path)
    assert load_reference(path).config.seq_len == model.config.seq_len
    with pytest.raises(HRMModelError, match="a puzzle has 16 tokens by its metadata, but 15 by seq_len"):
        load_reference(path, 15)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"H_layers": 2}, "weights have H_layers 1, but .*all_config.yaml says 2"),
        ({"hidden_size": 32}, "hidden_size 16"),
        ({"puzzle_emb_ndim": 0}, "puzzle_emb_ndim 16"),
        ({"pos_encodings": "learned"}, "pos_encodings rope"),
        ({"num_heads": 3}, "arch"),
        ({"num_heads": None}, r"has no arch\.num_heads"),
        ({"expansion": 64}, "down_proj.weight should have shape"),
        ({"expansion": 1e300}, "all_config.yaml"),
        ({"H_cycles": "many"}, r"arch\.H_cycles many"),
        ({"surprise": 1}, r"arch\.surprise"),
        ({"mlp_t": True}, "its blocks have attention, but .*all_config.yaml says mlp_t true"),
        ({"mlp_t": "perhaps"}, r"arch\.mlp_t perhaps: should be true or false"),
    ],
)
def test_a_configuration_that_contradicts_the_weights_is_refused_by_field(
    changes: dict, says: str, make_model: Callable[..., HRM], tmp_path: Path
) -> None:
    path = write(make_model(), tmp_path, **changes)
    with pytest.raises(HRMModelError, match=says):
        load_reference(path, 16)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "all_config.yaml: does not exist"),
        ("", "no section 'arch'"),
        ("arch: 3", "no section 'arch'"),
        ("arch: [", "cannot be read as YAML"),
        ("[" * 5000, "cannot be read as YAML"),
        ("\x00", "cannot be read as YAML"),
        ("# " + "x" * 2**20, "bytes"),
        ("arch: !!python/object/apply:os.system ['true']", "uses the tag"),
        ("a: &a {b: 1}\narch:\n  <<: [*a, *a]\n", "uses the alias a;"),
        (
            "a0: &a0 [x]\n"
            + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
            + "arch:\n  hidden_size: *a11\n  num_heads: 2\n  H_cycles: 1\n  L_cycles: 1\n  expansion: 1\n"
            "  halt_max_steps: 1\n  halt_exploration_prob: 0\n",
            "uses the alias a0;",
        ),
    ],
)
def test_an_unusable_configuration_is_refused_by_name(
    text: str | None, says: str, make_model: Callable[..., HRM], tmp_path: Path
) -> None:
    path = write(make_model(), tmp_path)
    if text is None:
        (tmp_path / "all_config.yaml").unlink()
    else:
        (tmp_path / "all_config.yaml").write_text(text)
    with pytest.raises(HRMModelError, match=says):
        load_reference(path, 16)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop("model.inner.lm_head.weight"), "lm_head.weight should have shape .* but is missing"),
        (lambda w: w.pop("model.inner.embed_tokens.embedding_weight"), "has no parameter embed_tokens.weight"),
        (lambda w: w.update({"model.inner.extra": mx.zeros(1)}), "holds extra, which is not a parameter"),
        (lambda w: w.update({"_orig_mod.model.inner.H_init": mx.zeros(16)}), "holds the parameter H_init twice"),
        (
            lambda w: w.update({"model.inner.H_init": mx.zeros(15)}),
            r"H_init should have shape \(16,\), but has \(15",
        ),
        (lambda w: w.update({"model.inner.H_init": mx.zeros(16, mx.int32)}), "H_init is mlx.core.int32"),
        (lambda w: w.update({"model.inner.embed_tokens.embedding_weight": mx.zeros(7)}), "must be a matrix"),
        (lambda w: w.update({"model.inner.puzzle_emb.weights": mx.zeros((0, 16))}), "must be a matrix"),
        (lambda w: w.clear(), "has no parameter"),
    ],
)
def test_weights_that_are_no_hrm_are_refused_by_parameter(
    change: Callable[[dict], object], says: str, make_model: Callable[..., HRM], tmp_path: Path
) -> None:
    path = write(make_model(), tmp_path)
    weights = dict(mx.load(str(path)))
    mx.eval(weights)
    change(weights)
    mx.save_safetensors(str(path), weights)
    with pytest.raises(HRMModelError, match=says):
        load_reference(path, 16)


@pytest.mark.parametrize(
    "changes",
    [
        {"puzzle_emb_len": 4},
        {"swiglu_multiple": 64},
        {"halt_loss": "none"},
        {"halt_loss": "bce"},
        {"mixer": "mlp", "variant": "transformer"},
        {"pos_encodings": "none", "variant": "transformer"},
    ],
)
def test_what_the_reference_does_not_have_is_not_exported(changes: dict, make_config: Callable[..., HRMConfig]) -> None:
    with pytest.raises(HRMModelError, match=f"{next(iter(changes))} is .* knows only"):
        reference_config(make_config(**changes))


def test_paths_may_be_strings(make_model: Callable[..., HRM], tmp_path: Path) -> None:
    model, config = make_model(), tmp_path / "all_config.yaml"
    path = str(write(model, tmp_path))
    save_reference_weights(model, path)
    assert find_reference(path) == Path(path)
    assert same(load_reference(path, 16, str(config)), model)
    assert read_reference_config(str(config)) == read_reference_config(config)


def test_a_directory_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(HRMModelError, match="holds no checkpoint of the reference"):
        load_reference(tmp_path, 16)
