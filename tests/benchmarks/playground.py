"""Measure how long a model that comes along thinks in a page in Chromium.

    uv run --group browser python tests/benchmarks/playground.py [NAME] [--puzzles N]

The puzzles are new, of the hardest kind that the model's card tells of. The page's own drawing is left out.
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from hrm_data import get_family
from hrm_evaluator.cli import main as evaluator
from hrm_evaluator.shipped._models import card_of
from playwright.sync_api import sync_playwright

SEED = 3
THINK = """async () => {
  const answers = [];
  thinker.load(document.getElementById("weights-0").textContent);
  for (const { puzzle, row } of MODELS[0].examples) {
    const begin = performance.now();
    const steps = await new Promise((done) => {
      thinker.report = ({ step, done: isLast }) => { if (isLast) done(step); };
      thinker.think(puzzle, row);
    });
    answers.push([steps, (performance.now() - begin) / 1000]);
  }
  return answers;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="sudoku-9x9")
    parser.add_argument("--puzzles", type=int, default=50)
    args = parser.parse_args()
    card = card_of(args.name)
    hardest = min(card.accuracy, key=lambda stated: stated.exact)
    family = get_family(card.task["task"])
    options = family.options(**{"train": 1, "test": args.puzzles, "seed": SEED, **hardest.build})
    with tempfile.TemporaryDirectory() as folder:
        data, page = Path(folder) / "data", Path(folder) / "page.html"
        family.build(data, options, lambda *_: None)
        words = ["--model", args.name, "--examples", str(data), "--puzzles", str(args.puzzles)]
        assert evaluator(["playground", str(page), *words]) == 0
        answers = think(page)
    seconds = sorted(time for _, time in answers)
    print(f"{len(seconds)} puzzles: {hardest.puzzles}")
    quarter = seconds[3 * len(seconds) // 4]
    print(f"median {statistics.median(seconds):.2f} s, three quarters within {quarter:.2f} s, all {seconds[-1]:.2f} s")
    print(f"{1000 * sum(seconds) / sum(steps for steps, _ in answers):.1f} ms a step")


def think(page: Path) -> list[tuple[int, float]]:
    """Return steps and seconds of the page's answers to its examples."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.set_default_timeout(600_000)
        tab.goto(page.as_uri())
        found: list[tuple[int, float]] = tab.evaluate(THINK)
        browser.close()
    return found


if __name__ == "__main__":
    main()
