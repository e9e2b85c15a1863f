"""The score of ARC and the submission."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import IGNORE, Dataset, PuzzleSet, open_dataset, write_dataset
from hrm_data.arc import ArcAugmentation, ArcOptions, ArcTask, build_arc, encode_grid, parse_identifier
from hrm_data.sudoku import SudokuTask
from hrm_evaluator._errors import UserError
from hrm_evaluator.answers._records import Record
from hrm_evaluator.answers._vote import VoteBy
from hrm_evaluator.scoring._arc import TRIES, ArcScore, order_by_task, score_arc, write_submission
from hrm_model import Answer
from hrm_train import RunDirectory
from hypothesis import example, given, settings
from hypothesis import strategies as st

Prediction = tuple[str, list[list[int]], list[list[int]], list[list[int]] | None, float]
"""Identifier, and before augmentation: input, label, what is answered; and q_halt."""


def tokens(grid: list[list[int]] | None) -> np.ndarray:
    return np.zeros(900, np.int32) if grid is None else encode_grid(grid).astype(np.int32)


def record(identifier: int, name: str, puzzle: Any, label: Any, answer: Any, q: float) -> Record:
    """What a model that is right up to the augmentation would say."""
    change = parse_identifier(name)[1] or ArcAugmentation()

    def moved(grid: Any) -> Any:
        return None if grid is None else change.apply(np.array(grid, np.uint8)).tolist()

    labels = tokens(moved(label))
    labels[labels == 0] = IGNORE
    return Record(tokens(moved(puzzle)), labels, identifier, Answer(tokens(moved(answer)).tolist(), 1, q, 0.0))


def scored(predictions: list[Prediction], by: VoteBy = "confidence") -> ArcScore:
    """Score predictions, which are in the order of a dataset."""
    names = ["<blank>", *dict.fromkeys(p[0] for p in predictions)]
    score = ArcScore(by)
    records = (record(names.index(p[0]), *p) for p in predictions)
    assert len(list(score_arc(records, ArcTask(), names, score))) == len(predictions)
    return score


A, B, C = [[1, 2]], [[3], [4]], [[5, 5], [0, 6]]
COPY = "t_t1_0213456789"
COPIES = ("t", COPY, "t_t2_0123456789", "t_t3_0123456789")


def test_the_surest_grid_is_first_and_the_second_counts_at_two_tries() -> None:
    score = scored([("t", A, B, C, 2.0), ("t_t1_0213456789", A, B, B, 1.0)])
    assert score.pass_at() == {1: 0, 2: 1, 5: 1, 10: 1, 100: 1, 1000: 1}
    assert score.submission == {"t": [{"attempt_1": C, "attempt_2": B}]}


def test_equal_grids_from_different_copies_are_one_candidate_ranked_by_the_mean() -> None:
    copies = [ArcAugmentation(t, (0, *np.roll(range(1, 10), t).tolist())).name("t") for t in range(1, 8)]
    votes = [("t", A, B, C, 1.0), *((name, A, B, B, 2.0 if i == 0 else -1.0) for i, name in enumerate(copies))]
    assert scored(votes).pass_at()[1] == 0  # one of C at 0.73, seven of B, 0.36 in the mean
    assert scored(votes).pass_at()[2] == 1
    assert scored(votes, "majority").pass_at()[1] == 1


def test_a_task_is_solved_when_all_of_its_tests_are() -> None:
    first, second = ("t", A, B, B, 0.0), ("t", B, C, A, 0.0)
    score = scored([first, second, ("u", A, B, B, 0.0)])
    assert (score.tasks, score.pass_at()[1000]) == (2, 0.5)
    assert score.submission["t"] == [{"attempt_1": B, "attempt_2": B}, {"attempt_1": A, "attempt_2": A}]
    assert scored([first, ("t", B, C, C, 0.0)]).pass_at()[1] == 1


def test_two_tests_of_one_input_stay_apart() -> None:
    score = scored([("t", A, B, B, 0.0), ("t", A, C, C, 0.0), (COPY, A, B, B, 0.0), (COPY, A, C, C, 0.0)])
    assert score.pass_at()[1] == 1
    assert len(score.submission["t"]) == 2


def test_what_is_no_grid_is_never_handed_in() -> None:
    score = scored([("t", A, B, None, 5.0), (COPY, A, B, B, 0.0), ("u", A, B, None, 0.0)])
    assert score.submission["t"] == [{"attempt_1": B, "attempt_2": B}]
    assert score.submission["u"] == [{"attempt_1": [[0]], "attempt_2": [[0]]}]
    assert score.pass_at()[1] == 0


def test_where_nobody_knows_the_answer_nothing_is_solved() -> None:
    score = scored([("t", A, None, None, 5.0), (COPY, A, None, B, 0.0), ("u", A, B, B, 0.0), ("u", C, None, B, 0.0)])
    assert (score.tasks, score.unanswered, score.pass_at()[1000]) == (0, 2, 0)
    assert score.submission["t"] == [{"attempt_1": B, "attempt_2": B}]
    assert len(score.submission["u"]) == 2


def test_every_vote_of_a_record_counts() -> None:
    one = record(1, "t", A, B, C, 0.0)
    votes = (one.answer, Answer(tokens(B).tolist(), 1, 3.0, 0.0))
    score = ArcScore()
    list(score_arc([one._replace(votes=votes)], ArcTask(), ["<blank>", "t"], score))
    assert score.pass_at()[1] == 1


def test_a_task_that_comes_again_is_refused() -> None:
    with pytest.raises(UserError, match="task t do not follow"):
        scored([("t", A, B, B, 0.0), ("u", A, B, B, 0.0), (COPY, A, B, B, 0.0)])


def slow(predictions: list[Prediction], by: VoteBy) -> dict[int, float]:
    """Plain and slow: for each task and test a list of all answers, searched again for every question."""
    tasks: dict[str, dict[str, list[Prediction]]] = {}
    for p in predictions:
        tasks.setdefault(p[0].split("_t")[0], {}).setdefault(str(p[1]), []).append(p)
    shares = {}
    for tries in TRIES:
        solved = 0
        for tests in tasks.values():
            good = True
            for votes in tests.values():
                answers = []
                for p in votes:
                    if p[3] not in answers:
                        answers.append(p[3])

                def merit(answer: Any, votes: list[Prediction] = votes) -> tuple[float, float]:
                    qs = [1 / (1 + np.exp(-p[4])) for p in votes if p[3] == answer]
                    if by == "halting":
                        return max(qs), len(qs)
                    mean = round(sum(qs) / len(qs), 9)
                    return (len(qs), mean) if by == "majority" else (mean, len(qs))

                answers.sort(key=merit, reverse=True)
                good = good and votes[0][2] in answers[:tries]
            solved += good
        shares[tries] = solved / len(tasks)
    return shares


@st.composite
def predictions(draw: st.DrawFn) -> list[Prediction]:
    found: list[Prediction] = []
    for name in draw(st.lists(st.sampled_from("tuvw"), unique=True, min_size=1)):
        tests = draw(st.integers(1, 2))
        for copy in range(draw(st.integers(1, 12))):
            change = ArcAugmentation(copy % 8, (0, *np.roll(range(1, 10), copy).tolist()))
            for test in range(tests):
                answer = draw(st.sampled_from([A, B, C, [[7]], [[7, 7]], [[8]], None]))
                q = draw(st.sampled_from([-2.0, -0.5, 0.25, 1.0, 3.0]))
                found.append((change.name(name) if copy else name, [[test + 1]], [A, B][test], answer, q))
    return found


@settings(max_examples=60, deadline=None)
@example([(name, A, B, answer, 1.0) for name, answer in zip(COPIES, (C, B, B, B), strict=True)], "confidence")
@given(predictions(), st.sampled_from(["confidence", "majority", "halting"]))
def test_it_counts_as_a_plain_and_slow_version_does(found: list[Prediction], by: VoteBy) -> None:
    assert scored(found, by).pass_at() == slow(found, by)


def test_memory_does_not_grow_with_the_number_of_tasks() -> None:
    names = [f"t{task}{ArcAugmentation(copy % 8).name('') if copy else ''}" for task in range(40) for copy in range(20)]
    rng = np.random.default_rng(0)

    def records(tasks: int) -> Iterator[Record]:
        for number, name in enumerate(names[: 20 * tasks]):
            grid = rng.integers(0, 10, (30, 30)).tolist()
            yield record(number, name, np.ones((1, 1), int), A, grid, 0.0)

    peaks = []
    for tasks in (4, 40):
        score = ArcScore()
        tracemalloc.start()
        for _ in score_arc(records(tasks), ArcTask(), names, score):
            pass
        score.submission.clear()  # which has to grow
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert score.tasks == 40
    assert peaks[1] < peaks[0] + 40 * 2 * 900 * 40  # what was handed in, at most 40 bytes a cell


def test_a_submission_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    write_submission(path, scored([("t", A, B, C, 2.0)]).submission)
    assert path.read_text() == '{"t": [{"attempt_1": [[5, 5], [0, 6]], "attempt_2": [[5, 5], [0, 6]]}]}'
    with pytest.raises(UserError, match="exists already"):
        write_submission(path, {})


def test_the_probability_is_the_sigmoid_of_q_halt() -> None:
    close = [("t", A, B, C, 1.0), (COPY, A, B, B, 4.0), ("t_t2_0123456789", A, B, B, -1.0)]
    one, four, minus = (Answer([], 1, q, 0.0).confidence for q in (1.0, 4.0, -1.0))
    assert one > (four + minus) / 2  # though 1.0 is less than the mean of 4 and -1
    assert scored(close).pass_at()[1] == 0


@pytest.fixture(scope="module")
def arc_run(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., RunDirectory]) -> RunDirectory:
    """A run on two tasks, one with two tests, that has learnt nothing yet."""
    root = tmp_path_factory.mktemp("arc")
    pair = {"input": A, "output": B}
    tasks = {"training/a": [pair], "evaluation/b": [pair, {"input": B, "output": C}], "evaluation/c": [pair]}
    for name, tests in tasks.items():
        path = root / "tasks" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"train": [pair, {"input": C, "output": A}], "test": tests}))
    dataset = build_arc(root / "arc", ArcOptions(source=(root / "tasks",), augmentations=3))
    return make_run(root / "runs", dataset, hidden_size=8, puzzle_emb_ndim=8, num_heads=1, halt_max_steps=1)


def test_the_command_line_scores_arc_and_writes_a_submission(
    arc_run: RunDirectory, tmp_path: Path, evaluator: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "submission.json"
    options = ("--checkpoint", arc_run.path, "--show", 1, "--submission", path)
    code, out, err = evaluator(*options, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["tasks"] == 2
    assert list(found["pass_at"]) == ["1", "2", "5", "10", "100", "1000"]
    submission = json.loads(path.read_text())
    assert {name: len(tests) for name, tests in submission.items()} == {"b": 2, "c": 1}
    assert all(sorted(test) == ["attempt_1", "attempt_2"] for tests in submission.values() for test in tests)
    code, _, err = evaluator(*options)
    assert (code, "exists already" in err) == (2, True)
    code, out, err = evaluator(*options[:-2])
    assert code == 0, err
    assert "tasks solved" in out


def scattered(data: Dataset, root: Path, seed: int) -> tuple[Dataset, np.ndarray]:
    """The same test examples in any order, each a puzzle of its own, in two sets; and where each was before."""
    (item,) = data.sets.values()
    owner = np.repeat(item.puzzle_identifiers, np.diff(item.puzzle_indices))
    order = np.random.default_rng(seed).permutation(item.examples)
    sets = {}
    for name, rows in zip(("one", "two"), np.array_split(order, [item.examples // 3]), strict=True):
        steps = np.arange(len(rows) + 1)
        sets[name] = PuzzleSet(item.inputs[rows], item.labels[rows], owner[rows], steps, steps)
    task = {"task": "arc1"}
    write_dataset(root, {"test": sets}, vocab_size=12, seq_len=900, identifiers=list(data.identifiers), task=task)
    return open_dataset(root, "test"), order


@pytest.mark.parametrize("name", ["b", "b_t1", "b_t1_0213456789"])
def test_identifiers_of_tinyrecursivemodels_are_copies_of_one_task(
    arc_run: RunDirectory, tmp_path: Path, evaluator_json: Callable[..., dict[str, Any]], name: str
) -> None:
    data = {split: open_dataset(arc_run.path.parents[1] / "arc", split) for split in ("train", "test")}
    own = list(data["test"].identifiers)
    theirs = [renamed.replace("_", "|||") if renamed.count("_") == 2 else renamed for renamed in own]
    theirs = [name + renamed[1:] if renamed[0] == "b" else renamed for renamed in theirs]
    sets = {split: {"all": dataset.sets["all"]} for split, dataset in data.items()}
    write_dataset(tmp_path / "theirs", sets, vocab_size=12, seq_len=900, identifiers=theirs)
    reports = []
    for root in (data["test"].root, tmp_path / "theirs"):
        options = ("--data-path", root, "--task", "arc1", "--submission", tmp_path / f"{root.name}.json")
        reports.append(evaluator_json("--checkpoint", arc_run.path, *options))
    assert [report["tasks"] for report in reports] == [2, 2]
    assert reports[0]["pass_at"] == reports[1]["pass_at"]
    submissions = [json.loads((tmp_path / f"{kind}.json").read_text()) for kind in ("arc", "theirs")]
    assert submissions[1] == {{"b": name}.get(task, task): tests for task, tests in submissions[0].items()}


def test_tests_without_answers_are_answered_in_a_submission(
    tmp_path: Path, make_run: Callable[..., RunDirectory], evaluator: Callable[..., tuple[int, str, str]]
) -> None:
    demonstrations = [{"input": A, "output": B}]
    for name, tests in (("training/a", [{"input": C, "output": A}]), ("test/b", [{"input": A}, {"input": B}])):
        path = tmp_path / "tasks" / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"train": demonstrations, "test": tests}))
    dataset = build_arc(tmp_path / "arc", ArcOptions(source=(tmp_path / "tasks",), augmentations=3))
    run = make_run(tmp_path / "runs", dataset, hidden_size=8, puzzle_emb_ndim=8, num_heads=1, halt_max_steps=1)
    code, out, err = evaluator("--checkpoint", run.path, "--submission", tmp_path / "submission.json")
    assert code == 0, err
    assert "1 tasks have tests without answers and are not scored" in out
    assert "1: the right answer is not known" in out
    assert "solved" not in out
    submission = json.loads((tmp_path / "submission.json").read_text())
    assert {name: len(tests) for name, tests in submission.items()} == {"b": 2}


@pytest.mark.parametrize("seed", range(3))
def test_copies_that_do_not_follow_each_other_are_scored_as_if_they_did(
    arc_run: RunDirectory, tmp_path: Path, evaluator_json: Callable[..., dict[str, Any]], seed: int
) -> None:
    built = open_dataset(arc_run.path.parents[1] / "arc", "test")
    mixed, order = scattered(built, tmp_path / "mixed", seed)
    found = []
    for data in (built, mixed):
        files = [tmp_path / f"{data.root.name}.{kind}" for kind in ("json", "npz")]
        options = ("--data-path", data.root, "--submission", files[0], "--save-predictions", files[1], "--show", 0)
        report = evaluator_json("--checkpoint", arc_run.path, *options)
        submission = {name: sorted(map(str, tests)) for name, tests in json.loads(files[0].read_text()).items()}
        found.append((report["pass_at"], report["tasks"], report["exact_accuracy"], submission))
    assert found[0] == found[1]
    saved, scrambled = (np.load(tmp_path / name) for name in ("arc.npz", "mixed.npz"))
    for name in ("inputs", "labels", "predictions", "puzzle_identifiers"):
        assert (scrambled[name] == saved[name][order]).all()


def test_what_follows_each_other_is_answered_in_its_order(arc_run: RunDirectory, tmp_path: Path) -> None:
    built = open_dataset(arc_run.path.parents[1] / "arc", "test")
    assert order_by_task(built, ArcTask(), built.examples).tolist() == list(range(built.examples))
    mixed, _ = scattered(built, tmp_path / "mixed", 0)
    order = order_by_task(mixed, ArcTask(), 7)
    assert order is not None
    assert sorted(order.tolist()) == list(range(7))
    with pytest.raises(UserError, match="name no copies"):
        order_by_task(built, SudokuTask((2, 2)), built.examples)
