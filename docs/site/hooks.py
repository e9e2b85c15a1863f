"""What MkDocs does not do by itself: pages that live beside the code, and the page in which models think."""

import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

COMMANDS = ("trainer", "evaluator")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README of each command line, so that there is one text for both places, and the playground."""
    docs = Path(config.docs_dir)
    for name in COMMANDS:
        text = (docs.parent / "apps" / name / "README.md").read_text(encoding="utf-8")
        text = text.replace(f"]({_repository(docs.parent)}/blob/main/docs/", "](../")  # absolute: wheels hold them too
        files.append(File.generated(config, f"commands/{name}.md", content=text))
    files.append(File.generated(config, "page/playground.html", content=_playground(docs.parent)))
    return files


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
