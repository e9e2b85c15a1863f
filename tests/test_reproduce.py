"""The commands of docs/reproduce.md, which take hours and a network, are understood by the programs that they name."""

import re
import shlex
from pathlib import Path

import pytest
from hrm_data import describe_task, get_family
from hrm_evaluator.cli import main as evaluator
from hrm_trainer._command_line import parse

PAGE = (Path(__file__).parents[1] / "docs" / "reproduce.md").read_text()
COMMANDS = [line.removeprefix("uv run ") for line in PAGE.splitlines() if line.startswith("uv run ")]


def commands_of(program: str) -> list[list[str]]:
    return [shlex.split(command)[1:] for command in COMMANDS if command.startswith(f"{program} ")]


def test_the_page_has_data_training_and_evaluation() -> None:
    assert len(COMMANDS) == sum(len(commands_of(program)) for program in ("hrm-data", "trainer", "evaluator"))


@pytest.mark.parametrize("words", commands_of("trainer"), ids=" ".join)
def test_a_training_is_understood_and_has_its_data(words: list[str]) -> None:
    settings = parse(words)
    assert settings is not None
    assert settings.train.epochs
    assert any(f"--output {settings.data_path}" in command for command in COMMANDS)


@pytest.mark.parametrize("words", commands_of("hrm-data"), ids=" ".join)
def test_a_dataset_is_made_of_options_that_exist(words: list[str]) -> None:
    options = get_family(describe_task(words[1])["task"]).options
    flags = [word.removeprefix("--") for word in words if word.startswith("--")]
    assert set(flags) - {"output"} <= options.model_fields.keys()


def test_an_evaluation_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    evaluator(["--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    for words in commands_of("evaluator"):
        assert {word for word in words if word.startswith("--")} <= known
