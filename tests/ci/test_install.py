"""What a package's README says outside the repository: links and install lines lead to something."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
ADDRESS: str = runpy.run_path(str(ROOT / ".ci" / "repository.py"))["address"]()
FOLDERS = sorted(file.parent for pattern in ("packages/*", "apps/*") for file in ROOT.glob(f"{pattern}/pyproject.toml"))
PROJECTS = {folder: tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in FOLDERS}
NAMES = {project["name"]: folder for folder, project in PROJECTS.items()}


def links(text: str) -> list[str]:
    """Targets of links and pictures: in the text, by reference, and in HTML."""
    code = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
    text = code.sub("", text)
    inline = re.findall(r"\]\(\s*<?([^)\s>]+)", text)
    return [
        *inline,
        *re.findall(r"^\s*\[[^\]]+\]:\s*(\S+)", text, re.M),
        *re.findall(r"(?:href|src)=[\"']([^\"']+)", text),
    ]


def siblings(name: str) -> set[str]:
    """A distribution and all of the workspace that it needs."""
    needed = {Requirement(text).name for text in PROJECTS[NAMES[name]].get("dependencies", [])} & NAMES.keys()
    return {name}.union(*(siblings(other) for other in needed))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a [link](docs/x.md) and ![picture](y.png)", ["docs/x.md", "y.png"]),
        ("[one][two]\n\n[two]: ../z.md\n", ["../z.md"]),
        ('<a href="q.md"><img src="w.png"></a>', ["q.md", "w.png"]),
        ("`[no](link)`\n```\n[nor](this)\n```\n", []),
    ],
)
def test_links_of_every_kind_are_seen(text: str, found: list[str]) -> None:
    assert links(text) == found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_links_of_a_readme_work_outside_the_repository(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for link in links(text):
        assert re.match(r"https?://|#", link), f"{folder.name}: {link} is relative, but a wheel holds this text too"
        if link.startswith(ADDRESS):
            file, _, anchor = link.removeprefix(f"{ADDRESS}/blob/main/").partition("#")
            assert (ROOT / file).is_file(), link
            headings = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(), re.M) if anchor else []
            assert not anchor or anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}, link


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_install_lines_name_this_package_and_all_of_the_workspace_that_it_needs(folder: Path) -> None:
    name = PROJECTS[folder]["name"]
    blocks = re.findall(r"^```sh\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("pip install ")]
    assert ["pip", "install", name] in commands
    [direct] = [words for words in commands if any("git+" in word for word in words)]
    assert direct[:2] == ["pip", "install"]
    wanted = [Requirement(word) for word in direct[2:]]
    assert {one.name for one in wanted} == siblings(name)
    for one in wanted:
        url, _, subdirectory = str(one.url).partition("#subdirectory=")
        assert url == f"git+{ADDRESS}"
        assert ROOT / subdirectory == NAMES[one.name]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_wheel_names_the_repository_and_what_a_reader_looks_for(folder: Path) -> None:
    urls = PROJECTS[folder]["urls"]
    assert urls.keys() == {"Repository", "Documentation", "Changelog", "Issues"}
    assert urls["Repository"] == ADDRESS
    for url in urls.values():
        assert url.startswith(ADDRESS)
        assert "/blob/main/" not in url or (ROOT / url.split("/blob/main/")[1]).is_file()
    assert str(folder.relative_to(ROOT)) in urls["Changelog"]


def test_another_address_is_written_everywhere_by_one_command(tmp_path: Path) -> None:
    for file in (ROOT / "pyproject.toml", ROOT / ".ci" / "repository.py"):
        (tmp_path / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
    for folder in FOLDERS:
        for name in ("pyproject.toml", "README.md"):
            (tmp_path / folder.relative_to(ROOT)).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, tmp_path / folder.relative_to(ROOT) / name)
    command = [sys.executable, str(tmp_path / ".ci" / "repository.py")]
    refused = subprocess.run([*command, "nowhere"], capture_output=True, text=True, check=False)
    assert (refused.returncode, "'nowhere' is no address" in refused.stderr) == (2, True)
    subprocess.run([*command, "https://code.example/else/where/"], check=True)
    for file in [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".toml", ".md")]:
        text = file.read_text()
        assert ADDRESS not in text
        assert "https://code.example/else/where" in text
        assert "where//" not in text
