"""What a user can get wrong, and what the answer names."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hrm_data import get_family

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        ("--data.box 2", ["--data.box 2", "2,3"]),
        ("--data.box 2x2", ["--data.box 2x2", "2,3"]),
        ("--data.box 1,1", ["--data", "box", "1x1"]),
        ("--data.clues 99", ["--data", "clues", "99", "0..16"]),
        ("--data.clues many", ["--data.clues many"]),
        ("--data.train 0", ["--data.train 0", "greater than or equal to 1"]),
        ("--arch.num_heads 7", ["--arch", "num_heads", "7", "hidden_size 16"]),
        ("--arch.pos_encodings foo", ["--arch.pos_encodings foo", "'rope', 'rope2d', 'learned'"]),
        ("--train.lr nan", ["--train.lr nan", "finite"]),
        ("--train.lr inf", ["--train.lr inf", "finite"]),
        ("--train.lr -1", ["--train.lr -1", "greater than 0"]),
        ("--train.seed 99999999999999999999", ["--train.seed 99999999999999999999", "at most", "64 bits"]),
        ("--train.steps 1.5", ["--train.steps 1.5", "integer"]),
        ("--preset foo", ["--preset foo", "'small'"]),
        ("--dataset chess", ["--dataset chess", "known tasks are", "sudoku"]),
        ("--device tpu", ["--device tpu", "'gpu'"]),
        ("--trian.steps 5", ["--trian.steps", "did you mean --train.steps?"]),
        ("--train.step 5", ["--train.step", "did you mean --train.steps?"]),
        ("--train.steps", ["--train.steps", "expected one argument"]),
        ("stray", ["stray"]),
        ("--data-path nowhere --preset small", ["--data_path nowhere", "no split"]),
        ("--data-path nowhere --data.hints 0.5", ["--data.hints", "does not go with data_path nowhere"]),
        ("--data-path nowhere --dataset sudoku --data.train 5", ["--data.train", "does not go with data_path nowhere"]),
        ("--runs small.json/runs", ["--runs small.json/runs", "is a file"]),
    ],
)
def test_a_mistake_is_answered_with_its_name_its_value_and_what_is_allowed(argv, named, trainer, small):
    code, _, err = trainer("--config", small(), *argv.split())
    assert code == 2
    assert all(part in err for part in named), err
    assert "Traceback" not in err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.yaml", "[1, 2]", ["a.yaml", "mapping", "[1, 2]"]),
        ("a.yaml", "", ["a.yaml", "mapping"]),
        ("a.yaml", "1: 2", ["a.yaml", "mapping"]),
        ("a.yaml", "a: [", ["a.yaml", "not valid YAML"]),
        ("a.json", "{", ["a.json", "not valid JSON"]),
        ("a.toml", "", ["a.toml", ".yaml"]),
        ("a.yaml", "train: {stepz: 5}", ["--train.stepz 5", "did you mean --train.steps?"]),
        ("a.yaml", "trian: 5", ["--trian 5", "no such setting"]),
        ("a.yaml", "train: 5", ["train 5", "mapping"]),
        ("a.yaml", "train: {steps: soon}", ["--train.steps soon", "integer"]),
        ("a.yaml", "train: {steps: yes}", ["train.steps True", "true or false"]),
        ("a.yaml", "data: {train: yes}", ["--data.train True", "true or false"]),
        ("a.yaml", "train: {lr: .nan}", ["--train.lr nan", "finite"]),
        ("a.yaml", "data: {box: [2, a]}", ["--data.box 2,a", "2,3"]),
        ("a.yaml", "preset: [tiny]", ["--preset tiny", "'small'"]),
        ("a.yaml", "resume: newest", ["resume newest", "command line"]),
        ("a.yaml", "{data_path: x, data: {train: 5}}", ["data.train", "data_path"]),
    ],
)
def test_a_wrong_file_is_answered_with_what_is_wrong_in_it(name, text, named, trainer):
    Path(name).write_text(text)
    code, _, err = trainer("--config", name)
    assert code == 2
    assert all(part in err for part in named), err


@pytest.mark.parametrize(
    "argv", ["--data.clues 6", "--data.clues 6,8", "--train.global-batch-size 8", "--data.box=2,2", "--preset small"]
)
def test_values_are_accepted_as_people_write_them(argv, trainer, small):
    assert trainer("--config", small(steps=1), "--data.kind", "any", *argv.split()).code == 0


def test_keep_and_on_nan_are_flags_of_their_own(small):
    from hrm_trainer._command_line import parse

    train = parse(["--config", str(small()), "--keep", "7", "--on-nan=skip"]).train
    assert (train.keep_checkpoints, train.on_nan) == (7, "skip")


def test_resume_refuses_other_settings_and_runs_that_are_none(trainer, small, tmp_path: Path):
    assert "--train.steps: does not go with --resume" in trainer("--resume", "--train.steps", 5).err
    assert "holds no run" in trainer("--resume").err
    assert "is no run" in trainer("--resume", tmp_path).err
    assert trainer("--resume", tmp_path).code == 2


def test_a_command_line_wins_over_the_file_and_the_file_over_the_preset(small):
    from hrm_trainer._command_line import parse

    settings = parse(["--config", str(small()), "--preset", "small-6x6", "--train.steps", "7"])
    assert (settings.train.steps, settings.arch.hidden_size) == (7, 16)
    assert settings.arch.pos_encodings == "learned"
    assert {"train.steps", "data.box"} <= set(settings.changed(1000))


def test_help_lists_every_setting_and_no_python_type(trainer: Callable):
    from hrm_trainer.settings._settings import settings_type

    code, text, _ = trainer("--help")
    assert code == 0
    for part in ("data", "arch", "train"):
        for name in settings_type(get_family("sudoku")).model_fields[part].annotation.model_fields:
            assert re.search(rf"--{part}\.{name}[ ,]", text)
    assert not any(word in text for word in ("tuple", "Path", " int ", "None", "==SUPPRESS=="))


def test_a_damaged_dataset_is_named(trainer, small, cache: Path, tmp_path: Path):
    trainer("--config", small(steps=1))
    made = json.loads(next(Path("runs").glob("*/config.json")).read_text())["data_path"]
    copy = tmp_path / "copy"
    (copy / "train").mkdir(parents=True)
    (copy / "train" / "dataset.json").write_text((Path(made) / "train" / "dataset.json").read_text())
    code, _, err = trainer("--data_path", copy)
    assert code == 2
    assert str(copy) in err
