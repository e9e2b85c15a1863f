"""ARC datasets: speed and memory of the build, rate of the loader; `python tests/benchmarks/arc_data.py SOURCE ...`.

SOURCE are the task files, as for `hrm-data build arc1 --source`. Needs 8 GB on the disk for 1,000 augmentations.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from hrm_data import TrainLoader, open_dataset
from hrm_data.arc import ArcOptions, build_arc


def report(what: str, began: tuple[float, float], count: int, unit: str) -> None:
    """Print wall time, the processor time of this process in it, and both rates."""
    wall, own = time.perf_counter() - began[0], time.process_time() - began[1]
    print(
        f"{what}: {wall:.2f} s ({own:.2f} s of one core), {count / wall:.0f} {unit}/s ({count / own:.0f} of one core)"
    )


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, nargs="+")
    parser.add_argument("--augmentations", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--place", type=Path, help="directory to build in (the system's temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        for kind in ("online", "offline"):
            root, began = Path(folder) / kind, now()
            build_arc(
                root,
                ArcOptions(source=tuple(options.source), augmentations=options.augmentations, online=kind == "online"),
            )
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
            size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
            ended = now()
            splits = [open_dataset(root, split) for split in ("train", "test")]
            spent = (time.perf_counter() - (ended[0] - began[0]), time.process_time() - (ended[1] - began[1]))
            report(f"build {kind}", spent, sum(split.examples for split in splits), "pairs")
            print(f"  at most {peak:.2f} GiB of memory, {size / 1e9:.3f} GB on the disk")
            loader = TrainLoader(splits[0], 768)
            next(loader)
            began = now()
            for _ in range(options.batches):
                next(loader)
            report(f"batches of 768, {kind}", began, options.batches, "batches")


if __name__ == "__main__":
    main()
