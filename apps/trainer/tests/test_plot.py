"""The curves of a run, at its end and on demand."""

import json
from pathlib import Path

import pytest
from PIL import Image


def colours(picture: Path) -> int:
    """How many colours a picture holds: an empty diagram has axes and text alone."""
    with Image.open(picture) as image:
        image.load()
        assert image.format == "PNG"
        return len(image.convert("RGB").getcolors(image.width * image.height))


def only_run() -> Path:
    (run,) = Path("runs").iterdir()
    return run


def test_curves_are_drawn_on_demand_for_the_newest_run_or_a_given_one(trainer, small):
    assert "curves.png" in trainer("--config", small()).out
    picture = only_run() / "curves.png"
    assert colours(picture) > 20
    for argv in ([], [only_run()], ["--runs", "runs"]):
        picture.unlink()
        code, out, err = trainer("plot", *argv)
        assert (code, out, err) == (0, f"{picture}\n", "")
        assert colours(picture) > 20


def test_a_metric_that_is_not_known_leaves_a_gap(trainer, trained):
    metrics = trained / "metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    for line in lines:
        line.pop("steps")
        line["accuracy"] = None
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert trainer("plot").code == 0


@pytest.mark.parametrize("argv", ["nowhere", "--runs nowhere", "runs extra", "--size"])
def test_a_mistake_in_what_to_draw_is_named(argv, trainer):
    code, _, err = trainer("plot", *argv.split())
    assert code == 2
    assert err.startswith("trainer: ")
    assert "plot" in err
    assert argv.split()[-1] in err


def test_a_run_without_metrics_says_so(trainer, trained):
    (trained / "metrics.jsonl").unlink()
    (trained / "curves.png").unlink()
    code, _, err = trainer("plot")
    assert (code, "has no metrics yet" in err) == (2, True)
    assert not list(trained.glob("*curves*"))


def test_a_run_in_which_nothing_can_be_written_says_so(trainer, trained):
    path = trained / "curves.png"
    path.unlink()
    path.mkdir()
    result = trainer("plot")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"trainer: plot: {path}: cannot be written (Is a directory); ")
    assert "copy the run elsewhere" in result.err
    assert not list(trained.glob(".curves.png*"))
