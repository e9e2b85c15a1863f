"""Damages files of every kind and reads them: no hang, no memory above a bound, no errors but our own.

uv run python tests/fuzz [--minutes 60] [--only weights,torch] [--seed 1]

Each kind of file gets an equal share of the time, in a process of its own. What fails is kept in build/fuzz.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGEST = 30.0
"""Seconds of computing that reading may take, however busy the machine is."""
HANGS = 600.0
"""Seconds on the clock after which reading hangs."""
MOST_MEMORY = 3 << 30
"""Bytes that reading may take, those of the libraries and of the fuzzer included."""
KEPT = Path("build/fuzz")
EXAMPLES = 5  # between two looks at the clock


def main() -> int:
    """Run all readers; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="time for all kinds of files (default: 60)")
    parser.add_argument("--only", help="kinds of files, with commas between them (default: all)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="where to begin (default: the time)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return work(given.worker, 60 * given.minutes, given.seed)
    from readers import READERS

    kinds = given.only.split(",") if given.only else list(READERS)
    failed = []
    for kind in kinds:
        share = ["--minutes", str(given.minutes / len(kinds)), "--seed", str(given.seed), "--worker", kind]
        if subprocess.run([sys.executable, str(Path(__file__).parent), *share], check=False).returncode:
            failed.append(kind)
    print(f"seed {given.seed}: " + (f"failed: {', '.join(failed)}; see {KEPT}" if failed else "nothing was found"))
    return 1 if failed else 0


def work(kind: str, seconds: float, first_seed: int) -> int:
    """Read damaged files of a kind until the time is over; 1 as soon as something is wrong."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st
    from readers import ERRORS, READERS, check_message

    end, count, number = time.monotonic() + seconds, 0, first_seed
    kept = KEPT / kind
    shutil.rmtree(kept, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        reader = READERS[kind](Path(scratch))
        names = st.sampled_from(sorted(reader.files))
        damaged = names.flatmap(lambda name: st.tuples(st.just(name), reader.files[name]))

        def read(case: tuple[str, bytes]) -> None:
            nonlocal count
            name, content = case
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            reader.prepare(kept)
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            (kept / name).write_bytes(content)
            count += 1
            began, said = time.process_time(), io.StringIO()
            faulthandler.dump_traceback_later(HANGS, exit=True)
            try:
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    reader.read(kept)
            except ERRORS as error:
                check_message(str(error))
            finally:
                faulthandler.cancel_dump_traceback_later()
            if any(len(line) > 20_000 or not line.isprintable() for line in said.getvalue().split("\n")):
                raise AssertionError(
                    f"what was printed is too long, or a terminal would obey it: {said.getvalue()[:300]!r}"
                )
            took = time.process_time() - began
            if took > LONGEST:
                raise AssertionError(f"{name} took {took:.0f} s")
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            if used > MOST_MEMORY:
                raise AssertionError(f"{name} took {used:,} bytes of memory")

        calm = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        while time.monotonic() < end:
            try:
                seed(number)(calm(given(damaged)(read)))()
            except BaseException as error:
                if not isinstance(error, KeyboardInterrupt):
                    print(
                        f"{kind}: {type(error).__name__} after {count} files; the last one is kept in {kept}",
                        flush=True,
                    )
                raise
            number += 1
    shutil.rmtree(kept, ignore_errors=True)
    print(f"{kind}: {count} damaged files were read", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
