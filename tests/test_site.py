"""The documentation site: built without a warning, and as a browser shows it, on a wide screen and on a phone."""

import functools
import html
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
WIDTHS = (1280, 390)
pytestmark = [pytest.mark.slow, pytest.mark.dev]

SEEN = """() => ({
  ids: [...document.querySelectorAll('[id]')].map(e => e.id),
  links: [...document.querySelectorAll('a[href]')].map(e => e.href),
  broken: [...document.images].filter(e => !e.complete || !e.naturalWidth).map(e => e.src),
  unnamed: [...document.images].filter(e => !e.alt).map(e => e.src),
})"""
# What reaches beyond the screen, and is not in a box that scrolls by itself.
BEYOND = """() => {
  const scrolls = e => e && e !== document.documentElement &&
    (['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  return [...document.querySelectorAll('.md-content *')]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter(e => !scrolls(e.parentElement)).map(e => e.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `.ci/docs` builds it."""
    pytest.importorskip("mkdocs", reason="needs the dependency group docs")
    folder = tmp_path_factory.mktemp("site") / "made"
    words = ["-m", "mkdocs", "build", "--strict", "--config-file", "docs/site/mkdocs.yml", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    pytest.importorskip("playwright", reason="needs the dependency group dev")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=300_000)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page in a browser; at the end, nothing may have been complained about or fetched from elsewhere."""
    page = browser.new_page()
    page.set_default_timeout(300_000)
    noticed: list[str] = []
    page.on("console", lambda message: noticed.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    # Chromium cancels what a page still loads when the next one is opened, which happens on a busy machine.
    page.on(
        "requestfailed",
        lambda request: request.failure == "net::ERR_ABORTED" or noticed.append(f"failed: {request.url}"),
    )
    page.on(
        "request", lambda request: request.url.startswith((address, "data:", "blob:")) or noticed.append(request.url)
    )
    yield page
    page.close()
    assert noticed == []


def test_every_link_and_anchor_resolves_and_every_page_fits_its_screen(page: Any, site: Path, address: str) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text()) | {"docs": []}  # which takes long to read
    page.route("**/search_index.json", lambda route: route.fulfill(json=index))
    names = sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))
    seen: dict[str, Any] = {}
    for name in names:
        page.goto(address + name)
        seen[name] = page.evaluate(SEEN)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(BEYOND) == [], f"{name} is wider than {width} pixels"
    faults = [f"{name}: {kind} {what}" for name in names for kind in ("broken", "unnamed") for what in seen[name][kind]]
    for name in names:
        for link in seen[name]["links"]:
            if link.startswith(address):
                target, anchor = urldefrag(unquote(link.removeprefix(address)))
                target = target or "index.html"
                if not (site / target).is_file():
                    faults.append(f"{name}: there is no {target}")
                elif anchor and anchor not in seen[target]["ids"]:
                    faults.append(f"{name}: {target} has no anchor {anchor}")
    assert faults == []
    assert len(names) > 30


def test_the_search_finds_pages(page: Any, address: str) -> None:
    page.goto(address + "index.html")
    page.keyboard.press("s")
    page.keyboard.type("stablemax")
    page.locator("a[href*='hrm_ops.html']").filter(has_text="stablemax").first.wait_for()


@pytest.mark.parametrize(("flag", "command"), [("--votes", "evaluator"), ("--train.lr", "trainer")])
def test_the_search_finds_flags_in_the_page_of_their_command(page: Any, address: str, flag: str, command: str) -> None:
    page.goto(address + "models.html")
    page.keyboard.press("s")
    page.keyboard.type(flag)
    page.locator(f"a.md-search-result__link[href*='commands/{command}.html']").first.wait_for(state="attached")


@pytest.mark.parametrize("words", [["trainer", "--help-all"], ["evaluator", "solve", "--help"], ["hrm-data", "--help"]])
def test_the_page_of_a_command_has_its_help_texts(site: Path, words: list[str]) -> None:
    command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    environment = os.environ | {"COLUMNS": "88"}
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    shown = html.unescape(re.sub("<[^>]+>", "", (site / "commands" / f"{words[0]}.html").read_text()))
    assert [line for line in printed.splitlines() if line.strip() not in shown] == []


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    import hrm_data
    import hrm_evaluator
    import hrm_model
    import hrm_ops
    import hrm_train

    for package in (hrm_data, hrm_evaluator, hrm_model, hrm_ops, hrm_train):
        name = package.__name__
        text = (site / "reference" / f"{name}.html").read_text()
        rooms = [it for it in (getattr(package, public) for public in package.__all__) if isinstance(it, ModuleType)]
        names = [f"{module.__name__}.{public}" for module in (package, *rooms) for public in module.__all__]
        assert [public for public in names if f'id="{public}"' not in text] == []
