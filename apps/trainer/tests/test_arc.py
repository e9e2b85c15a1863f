"""ARC through the registry: any family with a source of its own works like Sudoku."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hrm_data import file_checksums, fingerprint, get_family
from hrm_trainer._data import dataset_key

TINY = ["--arch.hidden_size", "16", "--arch.num_heads", "2", "--arch.H_layers", "1", "--arch.L_layers", "1"]
TINY += ["--arch.halt_max_steps", "1", "--arch.puzzle_emb_ndim", "16", "--train.steps", "2"]
TINY += ["--train.global_batch_size", "2", "--train.eval_interval", "2"]


def save(root: Path, colour: int) -> Path:
    """A directory of one training and one evaluation task."""
    for number, name in enumerate(("training/one.json", "evaluation/two.json"), start=1):
        task = {part: [{"input": [[number, 2]], "output": [[colour]]}] for part in ("train", "test")}
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(task))
    return root


def test_arc_is_trained_from_a_given_source(trainer, cache: Path, tmp_path: Path):
    source = save(tmp_path / "tasks", 3)
    result = trainer("--dataset", "arc1", "--preset", "small", "--data.source", source, "--data.augmentations=3", *TINY)
    assert result.code == 0, result.err
    assert "evaluation: 1 task, all held out with 1 test" in result.out
    assert "12 puzzles to train on, 4 held out" in " ".join(result.out.split())
    assert list((cache / "hrm" / "datasets").glob("arc1-*"))


def test_held_out_tasks_without_answers_are_not_scored(trainer, tmp_path: Path):
    source = save(tmp_path / "tasks", 3)
    two = json.loads((source / "evaluation" / "two.json").read_text())
    (source / "test").mkdir()
    (source / "test" / "two.json").write_text(json.dumps({**two, "test": [{"input": [[7]]}]}))
    (source / "evaluation" / "two.json").unlink()
    result = trainer("--dataset", "arc1", "--preset", "small", "--data.source", source, "--data.augmentations=1", *TINY)
    assert result.code == 0, result.err
    assert "0 puzzles: none has a known answer" in result.out
    assert "prediction, the right answer is not known" in result.out


def test_arc_without_a_source_says_what_to_give(trainer):
    result = trainer("--dataset", "arc2", "--preset", "small")
    assert result.code == 2
    assert "arc2 cannot be generated: give its task files as source" in result.err
    assert "download" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("given", ["tasks", "tasks/training", "tasks/training/one.json,tasks/evaluation"])
def test_a_changed_task_file_makes_another_dataset_wherever_it_is(given: str, tmp_path: Path):
    task = save(tmp_path / "tasks", 4) / "training" / "one.json"
    family = get_family("arc1")
    options = family.options(source=",".join(str(tmp_path / part) for part in given.split(",")))
    before = dataset_key(family, options)
    assert dataset_key(family, options) == before
    task.write_text(task.read_text() + "\n")
    assert dataset_key(family, options) != before


def test_changed_solutions_of_kaggle_make_another_dataset(tmp_path: Path):
    for part in ("challenges", "solutions"):
        (tmp_path / f"evaluation_{part}.json").write_text("{}")
    family = get_family("arc1")
    options = family.options(source=tmp_path / "evaluation_challenges.json")
    before = dataset_key(family, options)
    (tmp_path / "evaluation_solutions.json").write_text('{"a": []}')
    assert dataset_key(family, options) != before


@pytest.mark.parametrize("name", [None, "tasks.json", "cells.npy", "codes.npy"])
def test_a_run_on_computed_examples_is_not_resumed_when_their_source_changed(
    name: str | None, trainer, cache: Path, tmp_path: Path
):
    source = save(tmp_path / "tasks", 3)
    result = trainer("--dataset", "arc1", "--preset", "small", "--data.source", source, "--data.augmentations=3", *TINY)
    assert result.code == 0, result.err
    (config,) = Path("runs").glob("*/config.json")
    shutil.rmtree(config.parent / "checkpoints")
    data = Path(json.loads(config.read_text())["data_path"])
    if name == "tasks.json":
        file = data / "online" / name
        file.write_text(file.read_text().replace('"one"', '"uno"'))
    elif name:
        file = data / "online" / name
        array = np.load(file)
        array[-1] = (array[-1] + 1) % 10
        np.save(file, array)
    code, _, err = trainer("--resume")
    assert code == (2 if name else 0), err
    assert (f"changed: online/{name}; restore the dataset" in err) == bool(name)


def test_a_run_with_the_fingerprint_of_before_goes_on(trainer, cache: Path, tmp_path: Path):
    source = save(tmp_path / "tasks", 3)
    assert trainer("--dataset", "arc1", "--preset", "small", "--data.source", source, *TINY).code == 0
    (file,) = Path("runs").glob("*/config.json")
    config = json.loads(file.read_text())
    data = config["data_path"]
    of_before = fingerprint(file_checksums(data, stored_only=True))
    assert config.pop("data_files").keys() > {"online/cells.npy", "task.json"}
    assert config["data_fingerprint"] != of_before
    file.write_text(json.dumps({**config, "data_fingerprint": of_before}))
    shutil.rmtree(file.parent / "checkpoints")
    assert trainer("--resume").code == 0
