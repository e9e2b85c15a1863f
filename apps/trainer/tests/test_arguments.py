"""What a user can get wrong, and what the answer names."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hrm_data import get_family, task_names
from hrm_data.command_line import flags_of, underscored
from hrm_trainer._command_line import parse
from hrm_trainer.settings._settings import settings_type
from hrm_trainer.settings._synonyms import FREQUENT, SYNONYMS

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
        ("--lr 1", ["--lr is not known; did you mean --train.lr?"]),
        ("--batch-size 1", ["--batch-size is not known; did you mean --train.global_batch_size?"]),
        ("--batch_size=1", ["did you mean --train.global_batch_size?"]),
        ("--epochs 1", ["did you mean --train.epochs?"]),
        ("--steps 1", ["did you mean --train.steps?"]),
        ("--seed 1", ["--data.seed or --train.seed?"]),
        ("--hidden-size 1", ["did you mean --arch.hidden_size?"]),
        ("--model.learning-rate 1", ["did you mean --train.lr?"]),
        ("-lr 1", ["did you mean --train.lr?"]),
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
        ("a.yaml", "batch_size: 5", ["--batch_size 5", "did you mean --train.global_batch_size?"]),
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
    train = parse(["--config", str(small()), "--keep", "7", "--on-nan=skip"]).train
    assert (train.keep_checkpoints, train.on_nan) == (7, "skip")


def test_resume_refuses_other_settings_and_runs_that_are_none(trainer, small, tmp_path: Path):
    assert "--train.steps: does not go with --resume" in trainer("--resume", "--train.steps", 5).err
    assert "holds no run" in trainer("--resume").err
    assert "is no run" in trainer("--resume", tmp_path).err
    assert trainer("--resume", tmp_path).code == 2


def test_a_command_line_wins_over_the_file_and_the_file_over_the_preset(small):
    settings = parse(["--config", str(small()), "--preset", "small-6x6", "--train.steps", "7"])
    assert (settings.train.steps, settings.arch.hidden_size) == (7, 16)
    assert settings.arch.pos_encodings == "learned"
    assert {"train.steps", "data.box"} <= set(settings.changed(1000))


def test_every_synonym_means_a_setting_and_none_has_the_name_of_another():
    names = {flag for task in task_names() for flag in flags_of(settings_type(get_family(task)), underscored)}
    last = {name.removeprefix("--").split(".")[-1] for name in names}
    assert {name for meant in SYNONYMS.values() for name in meant} <= last
    assert not {name.lower() for name in last} & SYNONYMS.keys()
    assert {f"--{name}" for name in FREQUENT} <= names


def test_the_whole_help_lists_every_setting_and_no_python_type(trainer: Callable):
    code, text, _ = trainer("--help-all")
    assert code == 0
    for part in ("data", "arch", "train"):
        for name in settings_type(get_family("sudoku")).model_fields[part].annotation.model_fields:
            assert re.search(rf"--{part}\.{name}[ ,]", text)
    assert not any(word in text for word in ("tuple", "Path", " int ", "None", "==SUPPRESS=="))


def test_the_short_help_lists_the_frequent_settings_and_where_the_others_are(trainer: Callable):
    code, text, _ = trainer("--help")
    assert code == 0
    for flag in ("--data.box", "--train.steps", "--train.lr", "--arch.hidden_size", "--preset"):
        assert f"{flag} " in text
    assert "--train.beta1" not in text
    assert "trainer --help-all lists all" in text
    assert len(text) < 0.6 * len(trainer("--help-all").out)


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ("", {"arch.forward_dtype": "float32 on a CPU, bfloat16 on a GPU", "device": "auto"}),
        ("", {"train.steps": "700", "arch.hidden_size": "64", "data.train": "10000"}),
        ("--preset small-6x6", {"train.steps": "3600", "arch.hidden_size": "128", "data.hints": "0.8"}),
        ("--preset paper", {"train.epochs": "20000", "train.steps": None, "arch.hidden_size": "512"}),
        ("--dataset maze", {"train.steps": "1500", "data.size": "11", "data.unique": "yes"}),
        ("--dataset maze-7x7 --preset paper", {"data.size": "7"}),
        ("--device cpu", {"arch.forward_dtype": "float32", "device": "cpu"}),
        ("--device gpu", {"arch.forward_dtype": "bfloat16", "device": "gpu"}),
        ("--config small.json", {"train.steps": "12", "data.box": "2,2", "preset": "small-6x6"}),
    ],
)
def test_help_shows_the_values_that_would_apply(flags, shown, trainer, small):
    small()
    code, text, err = trainer(*flags.split(), "--help")
    assert code == 0, err
    entries = re.split(r"\n  (?=--)", text)
    for name, value in shown.items():
        (entry,) = [" ".join(entry.split()) for entry in entries if re.match(rf"--{name}[ ,]", entry)]
        assert (f"[default: {value}]" in entry) if value else ("[default" not in entry), entry


def test_help_with_a_preset_that_does_not_exist_names_those_that_do(trainer):
    result = trainer("--preset", "huge", "--help")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--preset huge" in result.err


def test_no_words_at_all_are_a_training_with_all_defaults():
    assert parse([]).dataset == "sudoku"


def test_a_damaged_dataset_is_named(trainer, small, cache: Path, tmp_path: Path):
    trainer("--config", small(steps=1))
    made = json.loads(next(Path("runs").glob("*/config.json")).read_text())["data_path"]
    copy = tmp_path / "copy"
    (copy / "train").mkdir(parents=True)
    (copy / "train" / "dataset.json").write_text((Path(made) / "train" / "dataset.json").read_text())
    code, _, err = trainer("--data_path", copy)
    assert code == 2
    assert str(copy) in err
