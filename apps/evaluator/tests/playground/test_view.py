"""The page as people use it: steps, play, keys, their own puzzles, a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import one_example_each, open_dataset, write_dataset
from hrm_data.sudoku import SudokuTask
from hrm_evaluator import load

pytestmark = pytest.mark.slow
TASK = SudokuTask((2, 2))


@pytest.fixture(scope="module")
def file(pages: Any, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a random model that halts at different steps."""
    arch = {"variant": "transformer", "symbol_equivariant": True, "mixer": "groups", "pos_encodings": "none"}
    folder = tmp_path_factory.mktemp("view")
    written: Path = pages.write(folder, TASK, "--examples", dataset, seed=6, halt_loss="none", **arch)
    return written


@pytest.fixture
def page(pages: Any, file: Path) -> Iterator[Any]:
    with pages.opened(file) as page:
        wait(page)
        yield page


def wait(page: Any) -> None:
    """Wait until the model has finished."""
    page.wait_for_function("!state.thinking && state.steps.length > 0 && state.steps.at(-1).done")


def given(page: Any) -> str:
    return "".join(text or "." for text in page.locator("#given .cell").all_inner_texts())


def cell(page: Any, board: str, number: int) -> Any:
    return page.locator(f"#{board} .cell").nth(number)


def test_every_step_can_be_seen_with_its_confidence(page: Any) -> None:
    steps = page.evaluate("state.steps")
    slider = page.locator("#step")
    assert slider.input_value() == str(len(steps))
    for number in {1, len(steps)}:
        slider.fill(str(number))
        assert page.locator("#count").inner_text() == f"{number} of {len(steps)}"
        assert f"Step {number}:" in page.locator("#status").inner_text()
        glyphs = [".", ".", *"1234"]
        for at, (token, sure) in enumerate(
            zip(steps[number - 1]["tokens"], steps[number - 1]["sureness"], strict=True)
        ):
            label = f"Row {at // 4 + 1}, column {at % 4 + 1}: {glyphs[token]}, {int(sure * 100 + 0.5)} % sure"
            assert cell(page, "answer", at).get_attribute("aria-label") == label
    cell(page, "answer", 5).hover()
    assert page.locator("#cell").inner_text() == cell(page, "answer", 5).get_attribute("aria-label")


def test_examples_can_be_picked_and_a_new_puzzle_is_another_one(page: Any) -> None:
    assert page.locator("#previous").is_disabled()
    first = given(page)
    page.locator("#next").click()
    assert given(page) != first
    page.locator("#puzzle").select_option("10")
    assert page.locator("#next").is_disabled()
    for _ in range(5):
        before = page.locator("#puzzle").input_value()
        page.locator("#new").click()
        assert page.locator("#puzzle").input_value() != before
    wait(page)


def test_a_puzzle_is_changed_and_answered_with_keys_alone(page: Any, file: Path) -> None:
    cell(page, "given", 0).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "3", "ArrowUp", "Delete"):
        page.keyboard.press(key)
    changed = given(page)
    assert (changed[4], changed[0]) == ("3", ".")
    assert page.locator("#puzzle").input_value() == "own"
    assert page.locator("#right").is_hidden()
    page.keyboard.press("Enter")
    wait(page)
    [right] = load(file.with_name("model.safetensors")).solve_many([TASK.parse(changed)])
    last = page.evaluate("state.steps.at(-1)")
    assert (last["tokens"], last["step"]) == (right.record.answer.tokens, right.steps)
    assert page.evaluate("document.activeElement.className").startswith("cell")
    page.keyboard.press("x")
    assert given(page)[0] == "."
    page.keyboard.press("7")
    assert page.locator("#problem").inner_text() == '"7" is no cell of sudoku-2x2; press one of 1 2 3 4.'


def test_space_plays_and_pauses(page: Any) -> None:
    page.evaluate("""() => { const step = state.steps[0];
        state.steps = Array.from({ length: 200 }, (_, i) => ({ ...step, step: i + 1, done: i === 199 })); show(); }""")
    play = page.locator("#play")
    cell(page, "given", 3).focus()
    page.keyboard.press(" ")
    assert (play.inner_text(), play.get_attribute("aria-pressed")) == ("Pause", "true")
    page.wait_for_function("Number(document.getElementById('step').value) > 1")
    page.keyboard.press(" ")
    assert (play.inner_text(), play.get_attribute("aria-pressed")) == ("Play", "false")


def test_a_puzzle_is_pasted_and_a_wrong_one_named(page: Any) -> None:
    text, read = page.locator("#pasted"), page.locator("#read")
    text.fill("+---+---+\n|1 .|. .|\n|. .|3 .|\n+---+---+\n|. 4|. .|\n|. .|. 2|\n+---+---+")
    read.click()
    wait(page)
    assert given(page) == "1.....3..4.....2"
    text.fill("1...\n..3.\n.4..\n..2")
    read.click()
    sentence = page.locator("#problem").inner_text()
    assert sentence.startswith(
        "Row 4 has 3 cells, but sudoku-2x2 has 4 in a row; write 4 rows of 4 cells out of 1 2 3 4"
    )
    assert given(page) == "1.....3..4.....2"


def test_what_is_said_of_an_answer_follows_from_the_rules(page: Any) -> None:
    solved = "1234341221434321"
    said = """([puzzle, answer, solution]) => { const read = (text) => readPuzzle(text, state.board).tokens;
        return judge(state.board, read(puzzle), read(answer), solution && read(solution)).text; }"""
    for puzzle, answer, text in (
        ("1...............", solved, "valid"),
        ("2...............", solved, "not valid: changes clues"),
        ("................", "." + solved[1:], "not valid: leaves cells empty"),
        ("................", "2" + solved[1:], "not valid: breaks the rules"),
    ):
        assert page.evaluate(said, [puzzle, answer, None]) == text
    page.evaluate("state.board.family = 'other'")
    assert page.evaluate(said, ["................", solved, None]) == "rule unknown here"
    assert page.evaluate(said, ["................", solved, solved]) == "equals the known solution"
    other = "2" + solved[1:]
    assert page.evaluate(said, ["................", other, solved]) == "differs from the known solution in 1 cell"


def test_it_fits_a_phone_and_is_light_or_dark(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    right = "all => Math.max(...all.map(element => element.getBoundingClientRect().right))"
    assert page.locator("select, button, input, textarea, .cell, p, h1, h2").evaluate_all(right) <= 360
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]


def test_every_control_and_board_has_a_name(page: Any) -> None:
    for role, name in (
        ("combobox", "Puzzle"),
        ("slider", "Step"),
        ("button", "Previous puzzle"),
        ("button", "Next puzzle"),
        ("button", "New puzzle"),
        ("button", "Play"),
        ("button", "Think"),
        ("textbox", "Puzzle as text"),
        ("grid", "Puzzle"),
        ("grid", "Model's answer"),
        ("img", "Solution"),
    ):
        assert page.get_by_role(role, name=name).count() >= 1, name
    assert "arrows move" in page.locator("#keys").inner_text()


def test_where_nothing_is_asked_the_answer_is_the_puzzles_own(pages: Any, dataset: Path, tmp_path: Path) -> None:
    """Labels of clues are ignored here; a clue that is changed is asked for."""
    clues = open_dataset(dataset, "test").sets["all"]
    labels = np.where(np.asarray(clues.inputs) > 1, 0, clues.labels)
    made = one_example_each(np.asarray(clues.inputs), labels)
    root = write_dataset(tmp_path / "made", {"test": {"all": made}}, vocab_size=6, seq_len=16, task=TASK.to_json())
    file = pages.write(tmp_path, TASK, "--examples", root, seed=6, halt_loss="none", variant="transformer")
    with pages.opened(file) as page:
        wait(page)
        puzzle, solution, kept = (page.evaluate(f"state.{name}") for name in ("puzzle", "solution", "kept"))
        assert kept == [at for at, token in enumerate(puzzle) if token > 1]
        assert min(solution) > 1
        for step in page.evaluate("state.steps"):
            assert [step["tokens"][at] for at in kept] == [puzzle[at] for at in kept]
            assert {at for at, sure in enumerate(step["sureness"]) if sure is None} == set(kept)
        label = cell(page, "answer", kept[0]).get_attribute("aria-label")
        assert label.endswith(f"{puzzle[kept[0]] - 1}, given")
        cell(page, "given", kept[0]).focus()
        page.keyboard.press("Delete")
        page.keyboard.press("Enter")
        wait(page)
        assert page.evaluate("state.kept") == kept[1:]
        assert page.evaluate("state.steps.at(-1).sureness")[kept[0]] is not None
