"""A path may be a string: whatever a package names as public and takes a path takes a `str` too."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

# Packages, and the rooms that users import from.
MODULES = (
    "hrm_ops",
    "hrm_data",
    "hrm_data.sudoku",
    "hrm_data.maze",
    "hrm_data.arc",
    "hrm_data.symmetry",
    "hrm_model",
    "hrm_train",
    "hrm_trainer",
    "hrm_evaluator",
)
PUBLIC = {
    f"{module}.{name}": getattr(import_module(module), name)
    for module in MODULES
    for name in import_module(module).__all__
}


# Records that only their package makes; what stands in them is a Path.
RECORDS = ("hrm_data.Dataset", "hrm_data.ArcItem", "hrm_data.arc.ArcItem")


def callables(owner: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """A function, or what a class can be called by: its constructor and its public methods."""
    if inspect.isclass(thing):
        if not issubclass(thing, BaseModel):  # pydantic reads strings as paths, see below
            yield owner, thing.__init__
        for name, member in vars(thing).items():
            function = getattr(member, "__func__", member)
            if not name.startswith("_") and inspect.isfunction(function):
                yield f"{owner}.{name}", function
    elif inspect.isfunction(thing):
        yield owner, thing


def said(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


PARAMETERS = [
    (f"{owner}({name})", said(parameter.annotation))
    for public, thing in PUBLIC.items()
    if public not in RECORDS
    for owner, function in callables(public, thing)
    if function is not object.__init__
    for name, parameter in inspect.signature(function).parameters.items()
]
# A function that a package calls gets a Path.
PATHS = [(where, kind) for where, kind in PARAMETERS if re.search(r"\bPath\b", kind) and "Callable" not in kind]


def test_the_walk_finds_the_paths_that_everybody_uses() -> None:
    found = {where for where, _ in PATHS}
    assert len(found) >= 30
    for known in ("hrm_model.load_model(path)", "hrm_evaluator.load(checkpoint)", "hrm_data.open_dataset(root)"):
        assert known in found, sorted(found)


@pytest.mark.parametrize(("where", "kind"), PATHS, ids=[where for where, _ in PATHS])
def test_what_takes_a_path_takes_a_string(where: str, kind: str) -> None:
    assert re.search(r"\bstr\b", kind), f"{where} is {kind}"


MODELS = [thing for thing in PUBLIC.values() if inspect.isclass(thing) and issubclass(thing, BaseModel)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_settings_read_a_string_as_a_path(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if re.search(r"\bPath\b", said(field.annotation)):
            value: Any = ["a/b"] if "tuple" in said(field.annotation) else "a/b"
            assert "a/b" in str(TypeAdapter(field.annotation).validate_python(value)), name
