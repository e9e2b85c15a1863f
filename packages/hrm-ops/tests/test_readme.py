"""Documentation: the README's example and the example of every public name run."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import hrm_ops
import pytest

MODULES = [name for _, name, _ in pkgutil.walk_packages(hrm_ops.__path__, "hrm_ops.") if not name.endswith("__main__")]


PACKAGE = Path(__file__).parents[1]
PAGES = [PACKAGE / "README.md", *sorted((PACKAGE.parents[1] / "docs" / "ops").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert examples or page.name in ("device.md", "performance.md")  # which hold commands
    for example in examples:
        exec(example, {})


@pytest.mark.parametrize("name", hrm_ops.__all__)
def test_every_public_name_has_a_docstring_with_an_example(name: str) -> None:
    assert ">>>" in (inspect.getdoc(getattr(hrm_ops, name)) or "")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.simplefilter", lambda *_: None)  # an example must not change how this run warns
        result = doctest.testmod(module, optionflags=doctest.ELLIPSIS, raise_on_error=False)
    assert result.failed == 0
