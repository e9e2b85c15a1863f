"""The report: its file, its pictures, and the page as a browser shows it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import IGNORE, Task
from hrm_data.arc import ArcTask
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hrm_evaluator.answers._records import Record
from hrm_evaluator.report._trajectory import trajectory
from hrm_model import Answer, Thought
from hrm_train import RunDirectory
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

Call = Callable[..., tuple[int, str, str]]


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture(scope="module")
def report(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on seven puzzles, each with all of its three steps."""
    from hrm_evaluator.cli import main

    directory = tmp_path_factory.mktemp("report") / "made"
    options = ["--report-puzzles", "7", "--halting", "max", "--show", "0"]
    assert main(["--checkpoint", str(run.path), "--report", str(directory), *options]) == 0
    return directory / "index.html"


def test_the_page_holds_scores_curves_and_puzzles_and_refers_to_nothing_else(report: Path) -> None:
    text = report.read_text()
    assert "exact accuracy" in text
    assert text.count("<svg") == 3
    assert len(data_of(text)["puzzles"]) == 7
    assert all([len(answer) for answer in one["answers"]] == [3] for one in data_of(text)["puzzles"])
    assert not re.search(r"https?:|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|src=", text)
    assert not [path for path in report.parent.iterdir() if path != report]


def test_the_page_shows_votes_tries_and_faults_where_there_are_any() -> None:
    from hrm_evaluator.report._page import page as text_of
    from hrm_evaluator.scoring._effort import efforts
    from hrm_evaluator.scoring._score import Evaluation, Tally

    plain = text_of("plain", {"puzzles": 0}, Evaluation(), [], [], {})
    assert not re.search("<summary>By|<summary>What", plain)
    votes = {1: Tally(4, 2.0, 1, 8), 2: Tally(4, 3.0, 3, 20)}
    result = Evaluation(by_kind={"trajectories": votes}, faults=Counter({"breaks <rules>": 3}), steps=20)
    bought = efforts(result, seconds=10.0)
    text = text_of("all", {"puzzles": 4, "pass_at": {1: 0.25, 1000: 0.5}}, result, bought, [], {})
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td></tr>', text)
    assert ("1000", "50.00%") in rows
    assert ("trajectories: 1", "25.00%</td><td>2.00</td><td>1.0") in rows
    assert ("trajectories: 2", "75.00%</td><td>5.00</td><td>0.4") in rows
    assert ("breaks &lt;rules&gt;", "3") in rows
    assert "pass at" not in text


def test_nothing_is_overwritten_unless_that_is_asked_for(
    run: RunDirectory, tmp_path: Path, evaluator: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"--report": tmp_path / "made" / "index.html", "--png": tmp_path / "a.png", "--gif": tmp_path / "a.gif"}
    for option, file in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
        named = file.parent if option == "--report" else file
        code, _, err = evaluator("--checkpoint", run.path, option, named)
        assert code == 2
        assert f"{option} {file}: exists already" in err
        assert file.read_text() == "mine"
        assert evaluator("--checkpoint", run.path, "--limit", 1, option, named, "--overwrite")[0] == 0
        assert file.read_bytes() != b"mine"


def test_where_nothing_can_be_written_no_work_is_done(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    (tmp_path / "file").write_text("")
    for option in ("--report", "--png", "--gif"):
        code, out, err = evaluator("--checkpoint", run.path, option, tmp_path / "file" / "inside")
        assert (code, out) == (2, "")
        assert f"{option} {tmp_path / 'file'}" in err
        assert "puzzles" not in err


def test_curves_are_a_png_and_steps_a_gif_with_a_frame_each(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    png, gif = tmp_path / "new" / "curves.png", tmp_path / "new" / "steps.gif"
    assert evaluator("--checkpoint", run.path, "--halting", "max", "--png", png, "--gif", gif)[0] == 0
    with Image.open(png) as image:
        assert image.format == "PNG"
    with Image.open(gif) as image:
        assert (image.format, image.n_frames) == ("GIF", 3)


def test_a_puzzle_of_ones_own_is_drawn_as_well(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    png, gif = tmp_path / "board.png", tmp_path / "steps.gif"
    words = ("12..34..2.4..3.1", "--checkpoint", run.path, "--halting", "max", "--png", png, "--gif", gif)
    assert evaluator("solve", *words)[0] in (0, 1)
    with Image.open(png) as image:
        assert image.format == "PNG"
    with Image.open(gif) as image:
        assert image.n_frames == 3
    assert evaluator("solve", *words)[0] == 2


TASKS: list[Task] = [SudokuTask((2, 2)), SudokuTask((2, 3)), MazeTask(5), ArcTask("arc1")]


@given(st.sampled_from([*TASKS, None]), st.integers(0, 2**32), st.integers(1, 4), st.booleans())
def test_cells_are_marked_by_what_is_right_wrong_and_changed(
    task: Task | None, seed: int, steps: int, known: bool
) -> None:
    rng = np.random.default_rng(seed)
    length, tokens = (task.seq_len, task.vocab_size) if task else (20, 70)
    inputs, labels, *answers = rng.integers(0, tokens, (2 + steps, length), dtype=np.int32)
    labels[rng.random(length) < 0.2] = IGNORE
    thoughts = tuple(Thought(answer.tolist(), 0.0, 0.0) for answer in answers)
    answer = Answer(thoughts[-1].tokens, steps, 0.0, 0.0, thoughts)
    told = trajectory(Record(inputs, labels if known else None, 0, answer), task)
    assert len(told.steps) == steps
    assert (told.solution is not None) == (known and (labels != IGNORE).any())
    size = told.rows * told.columns
    before = answers[0]
    for frame, now in zip(told.steps, answers, strict=True):
        assert len(frame.symbols) == len(frame.marks) == size
        if known and isinstance(task, SudokuTask):
            asked = labels != IGNORE
            wrong = [mark in "wW" for mark in frame.marks]
            assert wrong == (asked & (now != labels)).tolist()
            assert [mark in "rR" for mark in frame.marks] == (asked & (now == labels) & (inputs != labels)).tolist()
            changed = np.array([mark in "WR:" for mark in frame.marks])
            assert (changed[asked] == (now != before)[asked]).all()
        before = now


def test_lines_of_a_frame_become_breaks_between_cells() -> None:
    tokens = np.ones(36, np.int32)
    record = Record(tokens, tokens, 0, Answer(tokens.tolist(), 1, 0.0, 0.0))
    told = trajectory(record, SudokuTask((2, 3)))
    assert (told.rows, told.columns, told.row_breaks, told.column_breaks) == (6, 6, [2, 4], [3])


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The report in a browser; at the end, nothing may have been complained about or fetched."""
    page = browser.new_page()
    page.set_default_timeout(300_000)
    noticed: list[str] = []
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("request", lambda request: noticed.append(request.url))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert noticed == [report.as_uri()]


def shown(page: Any) -> tuple[str, str]:
    """Symbols and marks of the model's answer, as they are on the screen."""
    cells = page.locator("#answer .cell")
    texts = "".join(text or "." for text in cells.all_inner_texts())
    marks = ""
    for names in cells.evaluate_all("cells => cells.map(cell => cell.className)"):
        mark = "w" if "wrong" in names else "r" if "right" in names else "."
        marks += mark.upper().replace(".", ":") if "changed" in names else mark
    return texts, marks


def expected(report: Path, puzzle: int, step: int) -> tuple[str, str]:
    frame = data_of(report.read_text())["puzzles"][puzzle]["answers"][0][step - 1]
    return frame["symbols"], frame["marks"]


@pytest.mark.slow
def test_the_slider_moves_through_the_steps_and_the_board_changes(page: Any, report: Path) -> None:
    assert page.locator("#step").input_value() == "3"  # the last one at first
    for step in (1, 2, 3):
        page.locator("#step").fill(str(step))
        assert page.locator("#count").inner_text() == f"{step} of 3"
        assert shown(page) == expected(report, 0, step)
        assert f"Step {step}:" in page.locator("#status").inner_text()
    assert expected(report, 0, 1) != expected(report, 0, 3)


@pytest.mark.slow
def test_a_puzzle_can_be_picked(page: Any, report: Path) -> None:
    page.locator("#puzzle").select_option("4")
    assert shown(page) == expected(report, 4, 3)
    page.locator("#next").click()
    assert page.locator("#puzzle").input_value() == "5"
    page.locator("#next").click()
    assert page.locator("#next").is_disabled()
    assert shown(page) == expected(report, 6, 3)


@pytest.mark.slow
def test_everything_can_be_done_with_the_keyboard(page: Any, report: Path) -> None:
    page.keyboard.press("ArrowLeft")  # wherever the focus is
    assert shown(page) == expected(report, 0, 2)
    stops = []
    for _ in range(6):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.id || document.activeElement.parentElement.id"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert stops[:5] == ["puzzle", "next", "step", "play", "answer"]
    page.locator("#answer .board").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#puzzle").input_value() == "1"
    page.keyboard.press("ArrowLeft")
    assert shown(page) == expected(report, 1, 2)
    page.locator("#step").focus()
    page.keyboard.press("Home")
    assert shown(page) == expected(report, 1, 1)
    page.keyboard.press("ArrowRight")
    assert shown(page) == expected(report, 1, 2)


@pytest.mark.slow
def test_it_fits_a_phone_and_is_light_or_dark(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    right = "all => Math.max(...all.map(element => element.getBoundingClientRect().right))"
    assert page.locator("select, button, input, .cell, svg, p, h1, h2").evaluate_all(right) <= 360
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]


@pytest.mark.slow
def test_every_control_and_board_has_a_name(page: Any) -> None:
    for role, name in (
        ("combobox", "Puzzle"),
        ("slider", "Step"),
        ("button", "Previous puzzle"),
        ("button", "Next puzzle"),
        ("button", "Play"),
        ("img", "Solution"),
    ):
        assert page.get_by_role(role, name=name).count() >= 1, name


@pytest.mark.slow
def test_colours_of_a_task_fill_its_cells(browser: Any, tmp_path: Path) -> None:
    from hrm_evaluator.report._page import page as text_of
    from hrm_evaluator.scoring._score import Evaluation

    task = MazeTask(4)
    maze = task.encode(task.parse("####\n#S.#\n#.G#\n####"))
    tokens = np.where(np.arange(16) == 6, 5, maze)
    told = trajectory(Record(maze, tokens, 0, Answer(tokens.tolist(), 1, 0.0, 0.0)), task)
    file = tmp_path / "maze.html"
    file.write_text(text_of("a <maze>", {"puzzles": 1}, Evaluation(), [], [[told]], task.colours))
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.locator("h1").inner_text() == "a <maze>"
    fill = "cells => cells.map(cell => getComputedStyle(cell).backgroundColor)"
    colours = page.locator("#answer .cell").evaluate_all(fill)
    assert len(set(colours)) == 5
    assert page.locator("#answer .cell.right").count() == 1
    page.close()
