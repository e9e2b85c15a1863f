"""What MkDocs does not do by itself: pages that live beside the code, those of commands, and the playground."""

import os
import re
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

COMMANDS = {"trainer": "apps/trainer", "evaluator": "apps/evaluator", "hrm-data": "packages/hrm-data"}
_LISTED = re.compile(r"^(?:commands|tasks):.*\n((?:  .*\n)+)", re.MULTILINE)  # what a help text lists


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the playground, and for each command its README and all help texts: one text for both places."""
    docs = Path(config.docs_dir)
    for name, folder in COMMANDS.items():
        text = (docs.parent / folder / "README.md").read_text(encoding="utf-8")
        text = text.replace(f"]({_repository(docs.parent)}/blob/main/docs/", "](../")  # absolute: wheels hold them too
        sections = "".join(f"\n### `{title}`\n\n```text\n{help_text}\n```\n" for title, help_text in _helps([name]))
        files.append(File.generated(config, f"commands/{name}.md", content=f"{text}\n## Options\n{sections}"))
    files.append(File.generated(config, "page/playground.html", content=_playground(docs.parent)))
    return files


def _helps(command: list[str]) -> Iterator[tuple[str, str]]:
    """Yield a command and its help text, and those of the commands that it lists."""
    path = str(Path(sys.executable).with_name(command[0]))
    flag = "--help-all" if command == ["trainer"] else "--help"
    printed = subprocess.run(
        [path, *command[1:], flag], env={**os.environ, "COLUMNS": "88"}, check=True, capture_output=True, text=True
    ).stdout
    yield " ".join(command), "\n".join(line.rstrip() for line in printed.splitlines()).strip()
    for listed in _LISTED.findall(printed):
        for name in re.findall(r"^  ([a-z][\w-]*) ", listed, re.MULTILINE):
            yield from _helps([*command, name])


def _repository(root: Path) -> str:
    address: str = runpy.run_path(str(root / ".ci" / "repository.py"))["address"]()
    return address


def _playground(root: Path) -> str:
    """Write the page with the command; the tutorial's package is installed for it, so that no model is left out."""
    with tempfile.TemporaryDirectory() as folder:
        environment = runpy.run_path(str(root / "tests" / "own_puzzle.py"))["installed"](Path(folder) / "site")
        page = Path(folder) / "playground.html"
        command = [str(Path(sys.executable).with_name("evaluator")), "playground", str(page)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return page.read_text(encoding="utf-8")
