"""A preset's warm-ups and intervals belong to its length: a shorter run is the whole one in small."""

import json
from pathlib import Path

import pytest
from hrm_data import get_family
from hrm_train import TrainConfig
from hrm_trainer._command_line import parse
from hrm_trainer.settings._length import fitted
from hrm_trainer.settings._presets import get_preset, preset_names
from hypothesis import given
from hypothesis import strategies as st

SCALED = ("halt_warmup_steps", "lr_warmup_steps", "eval_interval", "checkpoint_interval")
PRESETS = [(family, name) for family in ("sudoku", "maze", "arc1") for name in preset_names(get_family(family))]


def values(train: TrainConfig) -> tuple[int, ...]:
    return tuple(getattr(train, name) for name in SCALED)


@pytest.mark.parametrize(("dataset", "preset"), PRESETS)
def test_a_run_of_the_presets_length_has_its_settings(dataset: str, preset: str) -> None:
    words = ["--dataset", dataset, "--preset", preset]
    settings = parse(words)
    own = TrainConfig(**get_preset(preset, get_family(dataset), {}).settings["train"])
    assert settings.train == own
    assert settings.fitted(1000).train == own.resolved(1000)
    again = parse([*words, "--train.steps", str(own.resolved(1000).steps)])
    assert again.fitted(1000).train == own.resolved(1000)


def test_few_steps_are_not_all_warm_up() -> None:
    settings = parse(["--preset", "small-6x6", "--data.box", "2,2", "--train.steps", "300"])
    assert values(settings.fitted(20_000).train) == (67, 4, 75, 50)
    assert settings.fitted(20_000).fitted(20_000).train == settings.fitted(20_000).train
    assert settings.changed(20_000) == settings.fitted(20_000).changed(20_000) == ["data.box", "train.steps"]
    paper = parse(["--preset", "paper", "--train.steps", "260"]).fitted(60)
    assert values(paper.train) == (0, 20, 50, 50)


def test_what_the_user_gave_stays(tmp_path: Path) -> None:
    given = ["--train.steps", "300", "--train.halt_warmup_steps", "800"]
    assert values(parse(["--preset", "small-6x6", *given]).fitted(1).train) == (800, 4, 75, 50)
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"preset": "small-6x6", "train": {"lr_warmup_steps": 50, "steps": 360}}))
    assert values(parse(["--config", str(file)]).fitted(1).train) == (80, 50, 90, 50)


def test_epochs_are_a_length_too() -> None:
    settings = parse(["--preset", "small-6x6", "--train.epochs", "1"])
    assert values(settings.fitted(360 * 64).train) == (80, 5, 90, 50)


@given(
    st.integers(1, 10**6),
    st.builds(
        TrainConfig,
        steps=st.integers(1, 10**5),
        **{name: st.integers(1, 5000) for name in SCALED},
        log_interval=st.integers(1, 100),
    ),
)
def test_the_parts_of_a_run_keep_their_proportions(steps: int, preset: TrainConfig) -> None:
    train = fitted(preset.model_copy(update={"steps": steps}), preset, {"steps"}, 1.0)
    for name in ("halt_warmup_steps", "lr_warmup_steps"):
        assert abs(getattr(train, name) / steps - getattr(preset, name) / preset.steps) <= 0.5 / steps + 1e-9
    for name in ("eval_interval", "checkpoint_interval"):
        now, before = getattr(train, name), getattr(preset, name)
        assert now >= min(before, preset.log_interval)
        assert abs(now / steps - before / preset.steps) <= 0.5 / steps + 1e-9 or now == min(before, preset.log_interval)
    assert fitted(preset, preset, {"steps"}, 1.0) == preset


def test_a_resumed_run_has_its_recorded_settings(trainer, small) -> None:
    assert trainer("--config", small(), "--train.lr_warmup_steps", 7).code == 0
    (run,) = Path("runs").iterdir()
    recorded = json.loads((run / "config.json").read_text())["train"]
    assert (recorded["lr_warmup_steps"], recorded["halt_warmup_steps"]) == (7, 3)  # the preset's 800 of 3600 steps
    again = parse(["--config", str(run / "config.json")])
    assert again.fitted(1).train.model_dump() == recorded
