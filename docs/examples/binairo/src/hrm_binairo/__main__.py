"""`python -m hrm_binairo FILE`: write question and answer texts, one JSON object a line, in place of a library."""

import argparse
import json
from itertools import islice
from pathlib import Path

from hrm_binairo._texts import pairs_of

parser = argparse.ArgumentParser(prog="python -m hrm_binairo", description="Write Binairos as texts.")
parser.add_argument("file", type=Path, help="the file to make; it must not exist yet")
parser.add_argument("--size", type=int, choices=(6, 8), default=8, help="rows and columns of a board")
parser.add_argument("--count", type=int, default=100, help="number of puzzles")
parser.add_argument("--seed", type=int, default=0, help="seed of the generator")
options = parser.parse_args()
try:
    with options.file.open("x", encoding="utf-8") as file:
        for item in islice(pairs_of(options.size, options.seed), options.count):
            file.write(json.dumps({"question": item["question"], "answer": item["answer"]}) + "\n")
except OSError as error:
    parser.error(f"{options.file} cannot be made: {error.strerror}")
