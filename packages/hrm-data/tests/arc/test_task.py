"""ARC as a task of the command lines, and its published files as a download."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hrm_data import HRMDataError, Task, get_family, get_task, open_dataset
from hrm_data.arc import ArcOptions, ArcTask, build_arc, encode_grid
from hrm_data.arc._build import PUBLISHED
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

grids = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
    lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 9))
)
PAIR = {"input": [[1]], "output": [[2]]}


@given(grids, st.data())
def test_a_board_comes_back_from_its_tokens_wherever_it_stands(board: np.ndarray, data: st.DataObject) -> None:
    task = ArcTask()
    tokens = task.encode(board)
    assert tokens.dtype == np.int32
    assert np.array_equal(task.decode(tokens), board)
    row, column = (data.draw(st.integers(0, 30 - side)) for side in board.shape)
    assert np.array_equal(task.decode(encode_grid(board, row, column)), board)


@given(grids)
def test_a_board_comes_back_from_its_text(board: np.ndarray) -> None:
    task = ArcTask()
    assert np.array_equal(task.parse(task.text(board)), board)
    assert np.array_equal(task.parse(json.dumps(board.tolist())), board)
    assert "\n" not in task.text(board)


@given(grids)
def test_a_picture_shows_every_cell_at_its_token(board: np.ndarray) -> None:
    picture = ArcTask().render(board)
    for (row, column), colour in np.ndenumerate(board):
        assert picture.symbol(30 * row + column) == (str(colour) if colour else ".")


@pytest.mark.parametrize("text", ["012/340", "0 1 2\n3 4 0\n", "012|340", "[[0, 1, 2], [3, 4, 0]]", " 012 / 340 "])
def test_boards_may_be_written_in_several_ways(text: str) -> None:
    assert ArcTask().parse(text).tolist() == [[0, 1, 2], [3, 4, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a list of rows"),
        ("01/2", "has 1 cells in row 1 and 2 in row 0"),
        ("01/2x", "character 'x' in row 1, column 1"),
        ("0" * 31, "is 1x31; at most 30x30"),
        ("[[0, 1]", "is not readable JSON"),
        ("[[0, 12]]", "holds 12 in row 0, column 1"),
    ],
)
def test_what_is_no_board_is_refused(text: str, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        ArcTask().parse(text)


@pytest.mark.parametrize("tokens", [np.zeros(81, int), np.zeros(900), np.full(900, 12), np.full(900, -1)])
def test_tokens_that_are_none_are_refused(tokens: np.ndarray) -> None:
    with pytest.raises(HRMDataError, match="tokens are"):
        ArcTask().decode(tokens)


def test_an_answer_without_a_grid_is_told_apart() -> None:
    task = ArcTask()
    board, nothing = np.array([[1]]), task.decode(np.zeros(900, int))
    assert nothing.shape == (0, 0)
    assert task.check(board, board)
    assert not task.check(board, nothing)
    assert list(task.explain(board, nothing)) == ["is no grid"]
    assert str(task.render(nothing)) == task.text(nothing) == ""


@pytest.mark.parametrize("name", ["arc1", "arc2"])
def test_both_families_are_known(name: str) -> None:
    task = get_task(name)
    assert isinstance(task, Task)
    assert task == ArcTask(name)
    assert task.to_json() == {"task": name}
    assert get_task(task.to_json()) == task
    assert (task.seq_len, task.vocab_size) == (900, 12)
    assert {"paper", "small"} <= set(get_family(name).presets)
    for preset in get_family(name).presets.values():
        assert get_family(name).options(**preset.data).online


class Mirror:
    """Serves archives of repositories like GitHub's, with as many tasks as `counts` says."""

    def __init__(self, counts: dict[str, int]) -> None:
        outer = self
        self.asked: list[str] = []
        self.counts = counts

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                repository, commit = self.path.removeprefix("/").split("/tar.gz/")
                assert len(commit) == 40  # never a branch, which moves
                if repository not in outer.counts:
                    self.send_error(404)
                    return
                content = outer.archive(repository)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def archive(self, repository: str) -> bytes:
        made = io.BytesIO()
        count = self.counts[repository]
        with tarfile.open(fileobj=made, mode="w:gz") as archive:
            for number in range(count):
                place = "data/evaluation" if number % 2 else "data/training"
                place = f"corpus/Concept{number % 16}" if "Concept" in repository else place
                grid = [[int(digit) for digit in f"{number}{len(repository)}"]]
                task = {"train": [PAIR], "test": [{"input": grid, "output": grid}]}
                content = json.dumps(task).encode()
                info = tarfile.TarInfo(f"repo-0123abc/{place}/{repository.split('/')[1]}{number}.json")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return made.getvalue()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mirror = Mirror({item.repository: item.tasks for items in PUBLISHED.values() for item in items})
    yield mirror
    mirror.close()


@pytest.mark.parametrize(("name", "tasks"), [("arc1", 960), ("arc2", 1120)])
def test_the_published_tasks_are_downloaded_where_that_is_asked_for(
    tmp_path: Path, mirror: Mirror, name: str, tasks: int
) -> None:
    options = ArcOptions(download=True, mirror=mirror.url, augmentations=0)
    dataset = open_dataset(build_arc(tmp_path / "x", options, name=name), "train")
    assert dataset.metadata.total_groups == tasks
    assert dataset.task is not None
    assert [url.removeprefix(mirror.url) for url in dataset.task["sources"]] == mirror.asked
    assert all(len(checksum) == 64 for checksum in dataset.task["sources"].values())


def test_a_download_of_other_tasks_than_published_is_refused(tmp_path: Path, mirror: Mirror) -> None:
    mirror.counts["arcprize/ARC-AGI-2"] = 1119
    options = ArcOptions(download=True, mirror=mirror.url)
    with pytest.raises(HRMDataError, match=r"/[0-9a-f]{40} holds 1119 tasks, expected 1120; give the files as source"):
        build_arc(tmp_path / "x", options, name="arc2")
    del mirror.counts["arcprize/ARC-AGI-2"]
    with pytest.raises(HRMDataError, match=r"cannot be fetched: the server answered 404.*local copy"):
        build_arc(tmp_path / "x", options, name="arc2")
    assert not list(tmp_path.iterdir())
