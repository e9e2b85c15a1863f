"""Checkpoints of the reference come in, are trained on, and go out again, through the command line."""

from pathlib import Path

import mlx.core as mx
import pytest
import yaml
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_model import HRM, HRMConfig, load_reference, reference_config, save_reference_weights
from hrm_train import RunDirectory, load_checkpoint_model
from mlx.utils import tree_flatten

ARCH = {"H_layers": 1, "L_layers": 1, "hidden_size": 16, "num_heads": 2, "halt_max_steps": 3, "puzzle_emb_ndim": 16}
EPOCHS = 4  # of 60 puzzles in batches of 8: 30 steps


@pytest.fixture
def puzzles(tmp_path: Path) -> Path:
    """A dataset in the reference's own form, which does not say what its puzzles are."""
    path = build_sudoku(tmp_path / "sudoku", SudokuOptions(box=(2, 2), train=60, test=24))
    (path / "task.json").unlink()
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint laid out as the reference's trainer leaves it, after 7 steps."""
    folder = tmp_path / "checkpoints" / "Example"
    folder.mkdir(parents=True)
    mx.random.seed(3)
    model = HRM(HRMConfig(**ARCH, seq_len=16, vocab_size=6, num_puzzle_identifiers=1, forward_dtype="float32"))
    save_reference_weights(model, folder / "step_7.safetensors")
    arch = {
        **reference_config(model.config),
        "loss": {"name": "losses@ACTLossHead", "loss_type": "softmax_cross_entropy"},
    }
    settings = {"arch": arch, "epochs": EPOCHS, "global_batch_size": 8, "lr": 0.002, "lr_warmup_steps": 0, "seed": 5}
    (folder / "all_config.yaml").write_text(yaml.safe_dump(settings))
    return folder / "step_7.safetensors"


def parameters(model: HRM) -> dict[str, mx.array]:
    return dict(tree_flatten(model.parameters()))


def test_an_imported_checkpoint_is_trained_on_to_the_end_of_its_schedule(trainer, checkpoint, puzzles):
    done = trainer("import-checkpoint", checkpoint, "--output", "imported", "--data-path", puzzles)
    assert done.code == 0, done.err
    run = RunDirectory(Path("imported"))
    imported = load_checkpoint_model(run.newest_checkpoint())
    theirs = load_reference(checkpoint, 16)
    assert imported.config == theirs.config
    assert all(mx.array_equal(a, parameters(theirs)[name]) for name, a in parameters(imported).items())
    train = run.config["train"]
    assert (train["lr"], train["seed"], train["loss_type"]) == (0.002, 5, "softmax_cross_entropy")
    assert train["steps"] == EPOCHS * 60 // 8

    resumed = trainer("--resume", "imported")
    assert resumed.code == 0, resumed.err
    assert run.newest_checkpoint().name == "step-00000030"
    (report,) = (m for m in run.read_metrics() if m["kind"] == "train")
    assert report["lr"] == pytest.approx(0.002)
    trained = parameters(load_checkpoint_model(run.newest_checkpoint()))
    assert not mx.array_equal(trained["lm_head.weight"], parameters(theirs)["lm_head.weight"])


def test_what_was_exported_is_what_was_imported(trainer, checkpoint, tmp_path):
    assert trainer("import-checkpoint", checkpoint, "--output", "imported", "--seq-len", 16).code == 0
    assert load_checkpoint_model(RunDirectory(Path("imported")).newest_checkpoint()).config.forward_dtype == "float32"
    for source, target in (("imported", "out"), ("imported/checkpoints/step-00000007", "again")):
        exported = trainer("export-checkpoint", source, "--output", target)
        assert exported.code == 0, exported.err
        assert Path(target, "step_7.safetensors").read_bytes() == checkpoint.read_bytes()
        settings = yaml.safe_load(Path(target, "all_config.yaml").read_text())
        original = yaml.safe_load(checkpoint.with_name("all_config.yaml").read_text())
        assert settings["arch"] == original["arch"]
        assert settings["lr"] == original["lr"]


def test_a_length_that_nothing_tells_is_asked_for(trainer, checkpoint):
    weights = dict(mx.load(str(checkpoint)))
    mx.eval(weights)
    mx.save_safetensors(str(checkpoint), weights)  # without our metadata
    failed = trainer("import-checkpoint", checkpoint, "--output", "imported")
    assert failed.code == 2
    assert "give the sequence length (--seq-len" in failed.err
    assert not Path("imported").exists()


def test_activations_can_be_of_another_dtype_than_there(trainer, checkpoint):
    words = ("--seq-len", 16, "--forward-dtype", "bfloat16")
    assert trainer("import-checkpoint", checkpoint, "--output", "imported", *words).code == 0
    assert load_checkpoint_model(RunDirectory(Path("imported")).newest_checkpoint()).config.forward_dtype == "bfloat16"


def test_a_task_of_other_puzzles_is_refused(trainer, checkpoint):
    named = trainer("import-checkpoint", checkpoint, "--output", "named", "--dataset", "sudoku")
    assert named.code == 2  # of boards of 9x9
    assert "a puzzle has 16 tokens by its metadata, but 81 by seq_len" in named.err
    assert not Path("named").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--seq-len", 0), "--seq-len 0: should be at least 1"),
        (("--seq-len", "many"), "--seq-len many: should be an integer"),
        (("--dataset", "chess"), "'chess' is unknown"),
        (("--data-path", "nowhere"), "nowhere"),
        (("--output",), "expected one argument"),
        (("--seq-len", 16, "--data-path", "sudoku", "--dataset", "sudoku"), "--dataset sudoku has 81 tokens"),
    ],
)
def test_what_is_missing_or_contradicts_is_named_and_nothing_is_made(words, says, trainer, checkpoint, puzzles):
    failed = trainer("import-checkpoint", checkpoint, "--output", "imported", *words)
    assert failed.code == 2
    assert says in failed.err
    assert failed.err.count("\n") == 1
    assert not Path("imported").exists()


@pytest.mark.parametrize("words", [("import-checkpoint", "nothing", "--seq-len", 16), ("export-checkpoint", "nothing")])
def test_a_checkpoint_that_is_not_there_is_named(words, trainer):
    failed = trainer(*words, "--output", "made")
    assert failed.code == 2
    assert "nothing" in failed.err
    assert not Path("made").exists()


@pytest.mark.parametrize("command", ["import-checkpoint", "export-checkpoint"])
def test_nothing_is_overwritten(command, trainer, checkpoint):
    Path("there").mkdir()
    failed = trainer(command, checkpoint, "--output", "there")
    assert failed.code == 2
    assert "there: exists already and is not overwritten" in failed.err


def test_a_wrong_value_of_the_references_configuration_is_named(trainer, checkpoint, puzzles):
    config = checkpoint.with_name("all_config.yaml")
    content = yaml.safe_load(config.read_text())
    for change, says in (({"lr": -1}, "lr -1"), ({"epochs": "forever"}, "epochs forever")):
        config.write_text(yaml.safe_dump(content | change))
        failed = trainer("import-checkpoint", checkpoint, "--output", "imported", "--data-path", puzzles)
        assert failed.code == 2
        assert says in failed.err
        assert not Path("imported").exists()


def test_a_repository_of_the_hub_without_network_is_one_clear_line(trainer, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    failed = trainer("import-checkpoint", "hf://sapientinc/HRM-checkpoint-sudoku-extreme", "--output", "imported")
    assert failed.code == 2
    assert "the hub cannot be reached" in failed.err
    assert failed.err.count("\n") == 1


def test_both_commands_explain_themselves(trainer):
    for command in ("import-checkpoint", "export-checkpoint"):
        code, out, _ = trainer(command, "--help")
        assert code == 0
        assert "--output DIR" in out


def test_in_python_a_path_may_be_text(checkpoint, puzzles):
    from hrm_trainer import import_reference

    import_reference(str(checkpoint), "imported", data_path=str(puzzles))
    assert RunDirectory(Path("imported")).config["data_path"] == str(puzzles.absolute())


RELATIVES = Path(__file__).parents[3] / "packages" / "hrm-model" / "tests" / "reference" / "fixtures"
in_workspace = pytest.mark.skipif(not RELATIVES.exists(), reason="the checkpoints are part of hrm-model's tests")


@in_workspace
def test_a_tiny_recursive_model_comes_in_by_a_sized_name_and_an_export_needs_nothing_beside_it(trainer):
    words = ("--output", "imported", "--dataset", "sudoku-2x2", "--forward-dtype", "float32")
    done = trainer("import-checkpoint", RELATIVES / "trm", *words)
    assert done.code == 0, done.err
    run = RunDirectory(Path("imported"))
    assert (run.config["task"], run.config["train"]["ema_decay"]) == ({"task": "sudoku", "box": [2, 2]}, 0.99)
    assert load_checkpoint_model(run.newest_checkpoint()).config.variant == "trm"
    assert trainer("export-checkpoint", "imported", "--output", "exported").code == 0
    content = yaml.safe_load(Path("exported/all_config.yaml").read_text())
    assert content["arch"]["name"] == "recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1"
    assert (content["ema"], content["ema_rate"], content["data_paths"]) == (True, 0.99, [""])
    again = trainer("import-checkpoint", "exported", "--output", "again")  # neither length nor task is given
    assert again.code == 0, again.err
    assert RunDirectory(Path("again")).config["task"] == {"task": "sudoku", "box": [2, 2]}


@in_workspace
def test_a_checkpoint_of_nano_trm_comes_in(trainer):
    done = trainer("import-checkpoint", RELATIVES / "nano" / "last.ckpt", "--output", "imported")
    assert done.code == 0, done.err
    train = RunDirectory(Path("imported")).config["train"]
    assert (train["puzzle_emb_lr"], train["global_batch_size"], train["lr_warmup_steps"]) == (0.01, 4, 2000)
