"""Downloads from a server on the loopback address that fails in every way that servers do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hrm_data import HRMDataError
from hrm_data.sources import download

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Gives one answer after the other, the last one for ever, and remembers the requests' `Range`."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.ranges: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.ranges.append(self.headers["Range"])
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/file"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.close()


def full(content: bytes = CONTENT, *, sent: int | None = None, tag: str | None = None, length: bool = True) -> Answer:
    """The whole content, or the headers for it and the first `sent` bytes; ranges of the version `tag` are obeyed."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        start = 0
        if tag and request.headers["Range"] and request.headers["If-Range"] == tag:
            start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        if tag:
            request.send_header("ETag", tag)
        if length:
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start : start + (len(content) if sent is None else sent)])

    return answer


def status(code: int) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_error(code)

    return answer


def silence(request: BaseHTTPRequestHandler) -> None:
    request.connection.close()


def test_a_file_arrives_whole_with_its_checksum_beside_it(tmp_path: Path, server: Server) -> None:
    server.answers = [full()]
    seen: list[tuple[int, int | None]] = []
    path = download(server.url, tmp_path / "new" / "x", sha256=DIGEST.upper(), progress=lambda *at: seen.append(at))
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "new" / "x.sha256").read_text() == f"{DIGEST}  x\n"
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(p.name for p in path.parent.iterdir()) == ["x", "x.sha256"]


def test_a_file_of_unknown_length_arrives(tmp_path: Path, server: Server) -> None:
    server.answers = [full(length=False)]
    assert download(server.url, tmp_path / "x").read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_fetched_again_but_checked(tmp_path: Path, server: Server) -> None:
    server.answers = [full()]
    path = download(server.url, tmp_path / "x")
    download(server.url, path)
    download(server.url, path, sha256=DIGEST)
    assert len(server.ranges) == 1
    path.write_bytes(CONTENT[:-1])
    for expected in (None, DIGEST):
        with pytest.raises(HRMDataError, match=rf"x has sha256 .*, expected {DIGEST}; remove it to fetch it again"):
            download(server.url, path, sha256=expected)
    assert path.read_bytes() == CONTENT[:-1]


@pytest.mark.parametrize("failure", [status(503), status(429), status(500), silence, full(sent=1000), full(sent=0)])
def test_passing_failures_are_tried_again(tmp_path: Path, server: Server, failure: Answer) -> None:
    server.answers = [failure, failure, full()]
    assert download(server.url, tmp_path / "x", backoff=0, sha256=DIGEST).read_bytes() == CONTENT
    assert len(server.ranges) == 3


def test_a_cut_transfer_goes_on_where_it_stopped(tmp_path: Path, server: Server) -> None:
    server.answers = [full(sent=5000, tag='"v1"'), silence, full(sent=7000, tag='"v1"'), full(tag='"v1"')]
    assert download(server.url, tmp_path / "x", backoff=0).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=5000-", "bytes=5000-", "bytes=12000-"]


@pytest.mark.parametrize("tag", ['"v2"', None])
def test_a_cut_transfer_begins_again_when_the_file_has_changed(tmp_path: Path, server: Server, tag: str | None) -> None:
    other = CONTENT[::-1]
    server.answers = [full(sent=5000, tag='"v1"'), full(other, tag=tag)]
    assert download(server.url, tmp_path / "x", backoff=0).read_bytes() == other


def test_a_server_that_does_not_name_versions_is_asked_for_the_whole_file_again(tmp_path: Path, server: Server) -> None:
    server.answers = [full(sent=5000, tag='W/"v1"'), full(tag='W/"v1"')]
    assert download(server.url, tmp_path / "x", backoff=0).read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_wrong_checksum_leaves_nothing(tmp_path: Path, server: Server) -> None:
    server.answers = [full(CONTENT[:-1])]
    with pytest.raises(HRMDataError, match=rf"expected {DIGEST}; nothing was kept"):
        download(server.url, tmp_path / "x", sha256=DIGEST)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_lasting_refusals_are_not_tried_again(tmp_path: Path, server: Server, code: int) -> None:
    server.answers = [status(code)]
    with pytest.raises(HRMDataError, match=rf"{server.url} cannot be fetched: the server answered {code}.*local copy"):
        download(server.url, tmp_path / "x", backoff=0)
    assert len(server.ranges) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failure", [status(503), silence, full(sent=10, tag='"v"')])
def test_giving_up_leaves_nothing_and_says_what_to_do(tmp_path: Path, server: Server, failure: Answer) -> None:
    server.answers = [failure]
    with pytest.raises(HRMDataError, match=r"\(3 attempts\); nothing was kept.*Check the network.*local copy"):
        download(server.url, tmp_path / "x", attempts=3, backoff=0)
    assert len(server.ranges) == 3
    assert not list(tmp_path.iterdir())


def test_without_a_network_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    server.close()
    with pytest.raises(HRMDataError, match=r"refused.*\(2 attempts\).*Check the network.*local copy"):
        download(server.url, tmp_path / "x", attempts=2, backoff=0)
    assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_nothing(tmp_path: Path, server: Server) -> None:
    server.answers = [full()]

    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url, tmp_path / "x", progress=interrupt)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "x.tar.gz", ""])
def test_only_web_addresses_are_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(HRMDataError, match="is no web address"):
        download(url, tmp_path / "x")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, server: Server) -> None:
    server.answers = [full()]
    (tmp_path / "file").touch()
    with pytest.raises(HRMDataError, match=r"file/x cannot be written \(.*choose another place"):
        download(server.url, tmp_path / "file" / "x")


def test_a_full_disk_leaves_nothing(small_disk: Path, server: Server) -> None:
    server.answers = [full()]
    with pytest.raises(HRMDataError, match=r"x cannot be written \(No space left.*nothing was kept, free some space"):
        download(server.url, small_disk / "x")
    assert not list(small_disk.iterdir())
