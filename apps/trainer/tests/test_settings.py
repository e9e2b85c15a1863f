"""Laws of the settings, over all fields."""

import json
from pathlib import Path

import pytest
from annotated_types import Ge, Gt, Le, Lt
from hrm_data import get_family
from hrm_data.command_line import CommandError
from hrm_trainer._command_line import parse
from hrm_trainer.settings._settings import settings_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings_type(get_family("sudoku"))
BOUNDS = [
    (f"--{part}.{name}", bound)
    for part in ("data", "arch", "train")
    for name, field in SETTINGS.model_fields[part].annotation.model_fields.items()
    for bound in field.metadata
    if isinstance(bound, Ge | Gt | Le | Lt)
]
in_one_directory = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@in_one_directory
@given(place=st.sampled_from(BOUNDS), distance=st.integers(0, 10**6))
def test_any_number_beyond_a_bound_is_refused_with_the_name_of_its_field(place, distance):
    flag, bound = place
    limit, sign, open_ = {
        Ge: lambda b: (b.ge, -1, False),
        Gt: lambda b: (b.gt, -1, True),
        Le: lambda b: (b.le, 1, False),
        Lt: lambda b: (b.lt, 1, True),
    }[type(bound)](bound)
    value = limit + sign * (distance if open_ else distance + 1)
    with pytest.raises(CommandError, match=f"^{flag} {value}: "):
        parse([f"{flag}={value}"])


@in_one_directory
@given(
    steps=st.integers(1, 10**6),
    lr=st.floats(1e-30, 1e3),
    box=st.sampled_from([(2, 2), (2, 3), (3, 3)]),
    clues=st.none() | st.integers(0, 81) | st.tuples(st.integers(0, 30), st.integers(30, 81)),
    preset=st.sampled_from(["small", "paper"]),
    dtype=st.sampled_from(["float32", "bfloat16"]),
)
def test_settings_survive_their_file(steps, lr, box, clues, preset, dtype):
    before = SETTINGS(
        preset=preset,
        data={"box": box, "clues": clues},
        arch={"forward_dtype": dtype},
        train={"steps": steps, "lr": lr},
    )
    Path("config.json").write_text(json.dumps(before.model_dump(mode="json", exclude={"config", "resume"})))
    after = parse(["--config", "config.json"])
    assert after.model_dump(exclude={"config"}) == before.model_dump(exclude={"config"})


@pytest.mark.parametrize("flags", [["--data.box", "2,2"], ["--data.clues", "20,24"], ["--data.train_csv", "x.csv"]])
def test_a_presets_difficulty_does_not_outlast_its_puzzles(flags):
    data = parse(["--preset", "small-6x6", *flags]).data
    assert (data.kind, data.test_kind, data.test_clues) == ("minimal", None, None)
    assert data.hints == parse(["--preset", "small-6x6"]).data.hints


@pytest.mark.parametrize(
    ("flags", "changed"),
    [
        ([], []),
        (["--data.box", "3,3"], ["data.box"]),
        (["--data.box", "2,3", "--data.train", "100"], ["data.train", "data.test_kind", "data.test_clues"]),
        (["--data.box", "3,3", "--train.lr", "1e-2"], ["data.box", "train.lr"]),
    ],
)
def test_what_differs_from_a_preset_is_what_was_asked_for(flags, changed):
    assert parse(["--preset", "small-6x6", *flags]).changed(1000) == changed


def test_a_preset_that_counts_epochs_is_unchanged_with_the_steps_they_make():
    paper = parse(["--preset", "paper"])
    made = paper.model_copy(update={"train": paper.train.resolved(1000)})
    assert (paper.changed(1000), made.changed(1000)) == ([], [])
    assert parse(["--preset", "paper", "--train.epochs", "5"]).changed(1000) == ["train.steps"]


def test_a_datasets_name_may_say_the_size(tmp_path: Path):
    assert parse(["--dataset", "sudoku-2x3"]).data.box == (2, 3)
    assert parse(["--dataset", "maze-11x11", "--preset", "paper"]).data.size == 11
    with pytest.raises(CommandError, match=r"dataset sudoku-2x3 names the size already; leave data\.box out"):
        parse(["--dataset", "sudoku-2x3", "--data.box", "3,3"])
    with pytest.raises(CommandError, match="size '2' should be the rows and columns of a box"):
        parse(["--dataset", "sudoku-2"])
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"format": 1, "dataset": "sudoku-2x3", "data": {"box": [2, 3]}}))
    assert parse(["--config", str(file)]).data.box == (2, 3)


def test_a_length_replaces_the_other_kind_from_below(tmp_path: Path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"preset": "paper", "train": {"steps": 5}}))
    assert (lambda train: (train.steps, train.epochs))(parse(["--config", str(file)]).train) == (5, 0)
    given = parse(["--config", str(file), "--train.epochs", "3"]).train
    assert given.resolved(768).steps == 3


def test_the_configuration_of_a_newer_version_asks_for_an_upgrade(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"format": 2, "train": {"steps": 5}}))
    with pytest.raises(CommandError, match=r"config\.json: format 2 is not the one .* upgrade hrm-trainer"):
        parse(["--config", str(file)])


@pytest.mark.parametrize("preset", ["small", "paper", "trm"])
@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float32"), ("gpu", "bfloat16")])
def test_activations_have_the_dtype_that_suits_the_device(preset: str, device: str, dtype: str) -> None:
    found = parse(["--preset", preset, "--device", device])
    assert found.arch.forward_dtype == dtype
    assert found.changed(1000) == []
    other = parse(["--preset", preset, "--device", device, "--arch.forward_dtype", "float32"])
    assert other.arch.forward_dtype == "float32"
