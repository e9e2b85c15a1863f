"""What MkDocs does not do by itself: pages that live beside the code."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

COMMANDS = ("trainer", "evaluator")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README of each command line, so that there is one text for both places."""
    docs = Path(config.docs_dir)
    for name in COMMANDS:
        text = (docs.parent / "apps" / name / "README.md").read_text(encoding="utf-8")
        text = text.replace("](../../docs/", "](../")
        files.append(File.generated(config, f"commands/{name}.md", content=text))
    return files
