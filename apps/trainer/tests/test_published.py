"""The published presets are the settings of their sources, field by field, and make as many steps."""

from typing import Any

import pytest
from hrm_data import DatasetMetadata
from hrm_model import HRMConfig, reference_config
from hrm_trainer._command_line import parse

# The releases' own configuration files, which their commands start from, in their own names.
HRM_ARCH = {
    "name": "hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1",
    "halt_exploration_prob": 0.1,
    "halt_max_steps": 16,
    "H_cycles": 2,
    "L_cycles": 2,
    "H_layers": 4,
    "L_layers": 4,
    "hidden_size": 512,
    "num_heads": 8,
    "expansion": 4,
    "puzzle_emb_ndim": 512,
    "pos_encodings": "rope",
}
TRM_ARCH = {
    **HRM_ARCH,
    "name": "recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1",
    "H_cycles": 3,
    "L_cycles": 6,
    "H_layers": 0,
    "L_layers": 2,
    "mlp_t": False,
    "puzzle_emb_len": 16,
    "no_ACT_continue": True,
}
FLAT_ARCH = {
    "name": "recursive_reasoning.transformers_baseline@Model_ACTV2",
    "halt_exploration_prob": 0.1,
    "halt_max_steps": 16,
    "H_cycles": 1,
    "H_layers": 8,
    "hidden_size": 512,
    "expansion": 4,
    "puzzle_emb_ndim": 512,
    "pos_encodings": "rope",
}
COMMON = {
    "global_batch_size": 768,
    "epochs": 100000,
    "lr": 1e-4,
    "lr_min_ratio": 1.0,
    "lr_warmup_steps": 2000,
    "beta1": 0.9,
    "beta2": 0.95,
    "weight_decay": 0.1,
    "puzzle_emb_weight_decay": 0.1,
    "puzzle_emb_lr": 1e-2,
    "loss_type": "stablemax_cross_entropy",
    "ema_decay": 0.0,
}
# What the releases' commands change.
SMALL = {"puzzle_emb_lr": 1e-4, "weight_decay": 1.0, "puzzle_emb_weight_decay": 1.0}
HRM_SMALL = {**SMALL, "epochs": 20000}
TRM_SMALL = {**SMALL, "epochs": 50000, "ema_decay": 0.999}
MLP = {"mlp_t": True, "pos_encodings": "none"}

PUBLISHED: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("paper", "sudoku", HRM_ARCH, HRM_SMALL),
    ("paper", "maze", HRM_ARCH, HRM_SMALL),
    ("paper", "arc1", HRM_ARCH, {}),
    ("paper", "arc2", HRM_ARCH, {}),
    ("trm", "sudoku", TRM_ARCH, TRM_SMALL),
    ("trm-mlp", "sudoku", {**TRM_ARCH, **MLP}, TRM_SMALL),
    ("trm", "maze", {**TRM_ARCH, "L_cycles": 4}, TRM_SMALL),
    ("trm-mlp", "maze", {**TRM_ARCH, **MLP, "L_cycles": 4}, TRM_SMALL),
    ("trm", "arc1", {**TRM_ARCH, "L_cycles": 4}, {"ema_decay": 0.999}),
    ("trm", "arc2", {**TRM_ARCH, "L_cycles": 4}, {"ema_decay": 0.999}),
    ("trm-mlp", "arc1", {**TRM_ARCH, **MLP, "L_cycles": 4}, {"ema_decay": 0.999}),
    ("transformer", "arc1", FLAT_ARCH, {}),
]


@pytest.mark.parametrize(("preset", "dataset", "arch", "train"), PUBLISHED)
def test_a_preset_is_the_published_configuration(
    preset: str, dataset: str, arch: dict[str, Any], train: dict[str, Any]
) -> None:
    settings = parse(["--preset", preset, "--dataset", dataset])
    config = HRMConfig(**settings.arch.model_dump(), seq_len=81, vocab_size=11, num_puzzle_identifiers=1)
    ours = reference_config(config)
    assert {name: ours[name] for name in arch} == arch
    expected = {**COMMON, **train}
    assert {name: getattr(settings.train, name) for name in expected} == expected


def metadata(groups: int, mean: float) -> DatasetMetadata:
    return DatasetMetadata(
        pad_id=0,
        ignore_label_id=0,
        blank_identifier_id=0,
        vocab_size=11,
        seq_len=81,
        num_puzzle_identifiers=1,
        total_groups=groups,
        mean_puzzle_examples=mean,
        sets=("all",),
    )


@pytest.mark.parametrize(
    ("words", "groups", "mean", "steps"),
    [
        ("--preset paper", 1000, 1.0, 26041),
        ("--preset paper --train.global_batch_size 384", 1000, 1.0, 52083),  # the release's demonstration
        ("--preset trm", 1000, 1.0, 65104),
        ("--preset trm-mlp", 1000, 1.0, 65104),
        ("--preset trm --dataset maze", 1000, 1.0, 65104),
        ("--preset trm --dataset arc1", 960, 3633407 / 876403, 518227),  # with 1,000 copies of each task
        ("--preset trm --dataset arc2", 1280, 5163253 / 1191722, 722099),  # the same with ConceptARC
        ("--preset trm --train.steps 7", 1000, 1.0, 7),
        ("--preset trm --train.epochs 10 --train.global_batch_size 100", 1000, 1.0, 100),
        ("--preset small --train.epochs 2 --train.global_batch_size 8", 100, 1.5, 37),
    ],
)
def test_steps_follow_from_epochs_as_the_reference_counts_them(
    words: str, groups: int, mean: float, steps: int
) -> None:
    train = parse(words.split()).train.resolved(metadata(groups, mean).examples_in_an_epoch)
    assert (train.steps, train.epochs) == (steps, 0)


def test_steps_and_epochs_together_are_refused(trainer) -> None:
    failed = trainer("--train.steps", 5, "--train.epochs", 5)
    assert failed.code == 2
    assert "steps 5 and epochs 5 are both given" in failed.err
    assert failed.err.count("\n") == 1
