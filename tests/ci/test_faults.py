"""The faults that are injected have a place to be injected, so that a change of the sources shows here at once."""

import runpy
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / ".ci"


def faults() -> tuple:
    sys.path.insert(0, str(CI))
    try:
        return runpy.run_path(str(CI / "faults.py"))["FAULTS"]
    finally:
        sys.path.remove(str(CI))


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_the_text_that_a_fault_replaces_stands_once(fault) -> None:
    assert (CI.parent / fault.file).read_text().count(fault.right) == 1
