"""A dataset larger than the memory that there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np
from hrm_data import TestLoader, TrainLoader, open_dataset

def kilobytes(name):
    return int(next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name)).split()[1])

root = Path(sys.argv[1])
limit = kilobytes("VmData") * 1024 + (160 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
before = kilobytes("RssAnon")
try:
    np.load(root / "train" / "all__inputs.npy")
except MemoryError:
    print("does not fit")
dataset = open_dataset(root, "train")
loader = TrainLoader(dataset, 768)
for _ in range(20):
    assert next(loader)["inputs"].shape == (768, 900)
for number, batch in enumerate(TestLoader(dataset, 768)):
    if number == 20:
        break
print((kilobytes("RssAnon") - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to be told how much memory is used")
def test_tokens_stay_on_disk(tmp_path: Path) -> None:
    folder, examples = tmp_path / "train", 400_000  # 343 MiB each of inputs and labels, none of it on the disk
    folder.mkdir()
    for field in ("inputs", "labels"):
        np.lib.format.open_memmap(folder / f"all__{field}.npy", "w+", np.uint8, (examples, 900))
    np.save(folder / "all__puzzle_identifiers.npy", np.zeros(examples, np.int32))
    for field in ("puzzle_indices", "group_indices"):
        np.save(folder / f"all__{field}.npy", np.arange(examples + 1, dtype=np.int32))
    metadata = {"pad_id": 0, "ignore_label_id": 0, "blank_identifier_id": 0, "vocab_size": 12, "seq_len": 900}
    metadata |= {"num_puzzle_identifiers": 1, "total_groups": examples, "mean_puzzle_examples": 1, "sets": ["all"]}
    (folder / "dataset.json").write_text(json.dumps(metadata))
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said, grown = done.stdout.split("\n")[:2]
    assert said == "does not fit"
    assert int(grown) < 120
