"""What a notebook shows of a solution: the HTML, and the page as a browser shows it, with scripts and without."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hrm_data import Picture, Task
from hrm_data.arc import ArcTask
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hrm_evaluator import Solution
from hrm_evaluator.answers._records import Record
from hrm_evaluator.report._notebook import facts_html, solution_html
from hrm_model import Answer, Thought
from hypothesis import given
from hypothesis import strategies as st

TASKS: list[Task] = [SudokuTask((2, 2)), SudokuTask((2, 3)), MazeTask(6), ArcTask()]
VOID = {"input", "br", "img"}


class Outline(HTMLParser):
    """The attributes of all elements, the cells of each table, and whether every element is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[str]] = []
        self.classes: list[list[str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
            self.classes.append([])
        if tag == "td":
            self.tables[-1].append("")
            self.classes[-1].append(dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "td":
            self.tables[-1][-1] += data


def solution(task: Task, puzzle: np.ndarray, *answers: np.ndarray) -> Solution:
    """A solution whose steps are these answers, all of them tokens."""
    trace = tuple(Thought(answer.tolist(), float(number), 0.0) for number, answer in enumerate(answers))
    last = Answer(answers[-1].tolist(), len(answers), trace[-1].q_halt, 0.0, trace if len(trace) > 1 else ())
    return Solution(task, task.decode(puzzle), Record(puzzle, None, 0, last))


@st.composite
def solutions(draw: st.DrawFn) -> Solution:
    task = draw(st.sampled_from(TASKS))
    tokens = st.lists(st.integers(1, task.vocab_size - 1), min_size=task.seq_len, max_size=task.seq_len)
    seeds = st.integers(0, 2**32 - 1)
    count = draw(st.integers(2, 5))
    if task.seq_len > 100:  # drawing so many numbers takes too long
        boards = [np.random.default_rng(draw(seeds)).integers(1, task.vocab_size, task.seq_len) for _ in range(count)]
    else:
        boards = [np.array(draw(tokens)) for _ in range(count)]
    return solution(task, *[board.astype(np.int32) for board in boards])


@given(solutions())
def test_it_is_one_piece_that_needs_nothing_else_and_no_id(one: Solution) -> None:
    text = one._repr_html_()
    outline = Outline(text)
    assert not re.search(r"https?:|@import|url\(|src=", text)
    assert not [attributes for _, attributes in outline.elements if "id" in attributes or "name" in attributes]
    assert html.escape(one.verdict) in text
    has_slider = [tag for tag, _ in outline.elements].count("input")
    assert has_slider == text.count("<script>") == (len(one.trace) > 1)


@given(st.data())
def test_both_boards_are_those_of_the_task_and_wrong_cells_are_marked(data: st.DataObject) -> None:
    task = SudokuTask((2, 2))
    cells = st.lists(st.integers(0, 4), min_size=16, max_size=16)
    puzzle, answer = (np.array(data.draw(cells), np.uint8).reshape(4, 4) for _ in range(2))
    one = solution(task, task.encode(puzzle), task.encode(answer))
    outline = Outline(one._repr_html_())
    for board, table in zip((puzzle, answer), outline.tables, strict=True):
        assert [cell or "0" for cell in table] == [str(digit) for digit in board.ravel()]
    faults = task.explain(puzzle, answer)
    wrong = np.any([*faults.values(), np.zeros(16, bool)], axis=0)
    assert ["wrong" in names.split() for names in outline.classes[1]] == wrong.tolist()
    given = (puzzle == answer).ravel() & (puzzle > 0).ravel() & ~wrong
    assert ["given" in names.split() for names in outline.classes[1]] == given.tolist()


def test_cells_of_colour_are_filled() -> None:
    task = ArcTask()
    board = task.encode(task.parse("120/034"))
    outline = Outline(solution(task, board, board)._repr_html_())
    styles = [attributes["style"] for tag, attributes in outline.elements if tag == "td" and "style" in attributes]
    assert {f"--fill:{task.colours[symbol]}" for symbol in "1234"} <= set(styles)


def test_a_picture_without_places_is_shown_as_text() -> None:
    class Plain(SudokuTask):
        def render(self, board: np.ndarray) -> Picture:
            return Picture(("<first>", "second"))

    task = Plain((2, 2))
    tokens = np.ones(16, np.int32)
    text = solution(task, tokens, tokens, tokens)._repr_html_()
    assert text.count("<pre>&lt;first&gt;\nsecond</pre>") == 2
    assert "<script>" not in text


@given(st.text(), st.text())
def test_all_text_is_escaped(name: str, value: str) -> None:
    hostile = f"</script><script>'\"&{name}"
    task = SudokuTask((2, 2))
    tokens = np.ones(16, np.int32)
    record = Record(tokens, None, 0, Answer(tokens.tolist(), 1, 0.0, 0.0))
    for text in (facts_html(hostile, {name: value, hostile: hostile}), solution_html(record, task, hostile)):
        assert "<script>" not in text
        assert html.escape(hostile).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


@pytest.fixture
def context(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page of a browser; nothing may be complained about or fetched."""
    page = browser.new_page(java_script_enabled=getattr(request, "param", True))
    page.set_default_timeout(300_000)
    noticed: list[str] = []
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("request", lambda wanted: noticed.append(wanted.url))
    yield page
    page.close()
    assert noticed == []


STEPS = [("1234" * 4), ("1" + "." * 15), ("1234341221434321")]


def sudoku() -> Solution:
    task = SudokuTask((2, 2))
    puzzle, *answers = (task.encode(task.parse(text.ljust(16, "."))) for text in ("12..34..2", *STEPS))
    return solution(task, puzzle, *answers)


def shown(page: Any, output: int) -> str:
    """The answer of an output, as it is on the screen."""
    return "".join(
        text or "." for text in page.locator(".hrm").nth(output).locator("table").nth(1).locator("td").all_inner_texts()
    )


@pytest.mark.slow
@pytest.mark.parametrize("inserted", ["whole", "by script"])
def test_each_slider_moves_its_own_board(inserted: str, context: Any) -> None:
    outputs = [sudoku()._repr_html_() for _ in range(2)]
    if inserted == "whole":
        context.set_content("".join(f"<div>{output}</div>" for output in outputs))
    else:  # as notebooks do: the HTML first, then its scripts as new elements, elsewhere
        context.set_content("<main></main>")
        for output in outputs:
            context.evaluate(
                """(output) => {
                    const piece = document.createElement("div");
                    piece.innerHTML = output;
                    document.querySelector("main").append(piece);
                    for (const old of piece.querySelectorAll("script")) {
                        const script = document.createElement("script");
                        script.textContent = old.textContent;
                        document.head.append(script);
                    }
                }""",
                output,
            )
    assert shown(context, 0) == shown(context, 1) == STEPS[2]
    for step in (1, 2, 3, 1):
        context.locator("input").nth(0).fill(str(step))
        assert shown(context, 0) == STEPS[step - 1]
        assert shown(context, 1) == STEPS[2]
        assert context.locator("output").nth(0).inner_text().startswith(f"{step} of 3")
    assert context.locator(".hrm").nth(0).locator("td.wrong").count() == 16  # equal digits in every column
    assert context.locator(".hrm").nth(1).locator("td.wrong").count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("context", [False], indirect=True)
def test_without_scripts_the_last_answer_is_shown_and_no_slider(context: Any) -> None:
    context.set_content(sudoku()._repr_html_())
    assert shown(context, 0) == STEPS[2]
    assert not context.locator("input").is_visible()


@pytest.mark.slow
@pytest.mark.parametrize(("ink", "paper"), [("#111111", "#ffffff"), ("#e0e0e0", "#111111")])
def test_cells_can_be_read_in_light_and_dark_notebooks(ink: str, paper: str, context: Any) -> None:
    context.set_content(f"<body style='color:{ink};background:{paper}'>{sudoku()._repr_html_()}</body>")
    context.locator("input").fill("1")

    def numbers(colour: str) -> list[float]:
        found = [float(number) for number in re.findall(r"[\d.]+", colour)]
        return [*found, 1.0][:4]

    def light(colour: list[float]) -> float:
        linear = [(c / 255 / 12.92) if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    page = numbers(context.evaluate("getComputedStyle(document.body).backgroundColor"))
    colours = "all => all.map(one => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor])"
    for front, back in context.locator("td").evaluate_all(colours):
        red, green, blue, alpha = numbers(back)
        behind = [alpha * c + (1 - alpha) * below for c, below in zip((red, green, blue), page, strict=False)]
        first, second = sorted((light(numbers(front)), light(behind)))
        assert (second + 0.05) / (first + 0.05) >= 4.5  # WCAG 2.2, AA
