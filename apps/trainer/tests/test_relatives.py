"""The published relatives are presets of the one trainer."""

from pathlib import Path

import pytest
from hrm_train import RunDirectory, load_checkpoint_model
from hrm_trainer._command_line import parse

TINY = [
    *("--data.box", "2,2", "--data.train", "60", "--data.test", "24"),
    *("--train.steps", "4", "--train.global_batch_size", "8", "--train.log_interval", "2"),
    *("--arch.hidden_size", "16", "--arch.num_heads", "2", "--arch.halt_max_steps", "2", "--arch.H_layers", "2"),
    *("--arch.puzzle_emb_len", "2", "--arch.puzzle_emb_ndim", "16", "--arch.forward_dtype", "float32"),
]


def test_the_tiny_recursive_model_is_that_of_its_paper():
    settings = parse(["--preset", "trm"])
    arch, train = settings.arch, settings.train
    assert (arch.variant, arch.L_layers, arch.H_cycles, arch.L_cycles) == ("trm", 2, 3, 6)
    assert (arch.mixer, arch.pos_encodings, arch.puzzle_emb_len, arch.halt_loss) == ("attention", "rope", 16, "bce")
    assert (arch.hidden_size, arch.halt_max_steps, train.ema_decay, train.lr) == (512, 16, 0.999, 1e-4)
    without = parse(["--preset", "trm-mlp"]).arch
    assert without == arch.model_copy(update={"mixer": "mlp", "pos_encodings": "none"})


def test_the_flat_transformer_has_all_layers_in_one_module_and_else_the_papers_settings():
    flat, paper = parse(["--preset", "transformer"]), parse(["--preset", "paper"])
    assert flat.arch == paper.arch.model_copy(update={"variant": "transformer", "H_layers": 8, "H_cycles": 1})
    assert flat.train == paper.train


@pytest.mark.parametrize("preset", ["trm", "trm-mlp", "transformer"])
def test_relatives_learn_the_papers_puzzles(preset):
    data = [parse(["--preset", name]).data.model_dump() for name in (preset, "paper")]
    assert data[0] == data[1]


def test_a_run_keeps_the_steps_that_its_epochs_make(trainer):
    words = [word for word in TINY if word not in ("--train.steps", "4")]
    trained = trainer("--preset", "trm", "--dataset", "sudoku-2x2", *words, "--train.epochs", "1")
    assert trained.code == 0, trained.err
    run = RunDirectory.newest(Path("runs"))
    train = run.config["train"]
    assert (train["steps"], train["epochs"]) == (7, 0)  # 60 puzzles in batches of 8
    assert run.newest_checkpoint().name == "step-00000007"
    assert trainer("--resume").code == 0
    again = trainer("--config", run.path / "config.json", "--train.epochs", "2", "--runs", "longer")
    assert again.code == 0, again.err
    assert RunDirectory.newest(Path("longer")).config["train"]["steps"] == 15


@pytest.mark.parametrize("preset", ["trm", "trm-mlp", "transformer"])
def test_a_relative_is_trained_stopped_at_its_end_and_read_again(preset, trainer):
    trained = trainer("--preset", preset, *TINY)
    assert trained.code == 0, trained.err
    run = RunDirectory.newest(Path("runs"))
    assert [m["kind"] for m in run.read_metrics()] == ["train", "eval"] * 2
    model = load_checkpoint_model(run.newest_checkpoint())
    assert model.config.variant == ("transformer" if preset == "transformer" else "trm")
    assert trainer("--resume").code == 0
