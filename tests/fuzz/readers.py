"""What reads files, each with right files to damage and the errors that it may raise."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import damage
import mlx.core as mx
from hrm_data import HRMDataError, get_task, open_dataset, read_arc, task_of
from hrm_data.arc import ArcOptions, build_arc
from hrm_data.command_line import CommandError
from hrm_data.dataset import find_faults
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_evaluator import UserError
from hrm_evaluator.cli import main as evaluator
from hrm_model import HRM, HRMConfig, HRMModelError, load_model, load_reference, save_weights
from hrm_train import (
    HRMTrainError,
    Position,
    RunDirectory,
    TrainConfig,
    load_checkpoint,
    load_checkpoint_model,
    make_train_step,
    save_checkpoint,
    saved_settings,
)
from hrm_trainer.cli import main as trainer
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
ERRORS = (HRMDataError, HRMModelError, HRMTrainError, UserError, CommandError)
SMALL = {
    "hidden_size": 8,
    "num_heads": 1,
    "H_layers": 1,
    "L_layers": 1,
    "expansion": 1.0,
    "swiglu_multiple": 8,
    "puzzle_emb_ndim": 8,
    "forward_dtype": "float32",
    "seq_len": 16,
    "vocab_size": 6,
    "num_puzzle_identifiers": 1,
}


class Reader(NamedTuple):
    """A way of reading: damaged files are written below a folder, then read.

    Attributes:
        files: For each file to damage its path below the folder and the strategy of its content.
        read: Reads the folder; raises one of `ERRORS`, or nothing.
        prepare: Puts the undamaged files into a new folder.
    """

    files: dict[str, st.SearchStrategy[bytes]]
    read: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda folder: None


def _any(content: bytes, *more: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(damage.bytes_of(content), *more)


def _copied(source: Path) -> Callable[[Path], object]:
    return lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True)


def _files(source: Path) -> dict[str, st.SearchStrategy[bytes]]:
    found = {}
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        more = []
        if path.suffix == ".json":
            more.append(damage.document(json.loads(path.read_text())))
        if path.suffix == ".safetensors":
            more.append(damage.safetensors(path.read_bytes()))
        if zipfile.is_zipfile(path):
            more.append(damage.zipped(path.read_bytes()))
        found[path.relative_to(source).as_posix()] = _any(path.read_bytes(), *more)
    return found


def weights(scratch: Path) -> Reader:
    """A weight file."""
    source = scratch / "weights"
    source.mkdir()
    save_weights(HRM(HRMConfig(**SMALL)), source / "model.safetensors")
    return Reader(_files(source), lambda folder: load_model(folder / "model.safetensors"))


def checkpoints(scratch: Path) -> Reader:
    """A run with a checkpoint, with and without its checksums made right again."""
    from hrm_train.checkpoint._manifest import write_manifest

    config = TrainConfig(steps=3, global_batch_size=4, lr_warmup_steps=0)
    step = make_train_step(HRM(HRMConfig(**SMALL)), config)
    run = RunDirectory.fill(_made(scratch / "checkpoints"), {"format": 1, "arch": {}, "train": {}, "dataset": "sudoku"})
    made = save_checkpoint(run.checkpoint_directory, step, Position(1, 1))

    def read(folder: Path) -> None:
        checkpoint = folder / made.relative_to(run.path)
        found = RunDirectory(folder)
        for attempt in (lambda: found.config, found.newest_checkpoint, lambda: saved_settings(checkpoint)):
            _tried(attempt)
        write_manifest(checkpoint)
        _tried(lambda: load_checkpoint_model(checkpoint))
        _tried(lambda: load_checkpoint(checkpoint, step))

    files = {name: content for name, content in _files(run.path).items() if "lock" not in name}
    return Reader(files, read, _copied(run.path))


def torch_files(scratch: Path) -> Reader:
    """Checkpoints of PyTorch, and their configuration."""
    source = ROOT / "packages/hrm-model/tests/reference/fixtures"

    def read(folder: Path) -> None:
        for inner in sorted(path.parent for path in folder.rglob("*") if path.name in ("step_10", "last.ckpt")):
            _tried(lambda inner=inner: load_reference(inner, 16))

    chosen = scratch / "torch"
    for name in ("trm", "nano"):
        shutil.copytree(source / name, chosen / name)
    files = {name: content for name, content in _files(chosen).items() if not name.endswith(".npz")}
    return Reader(files, read, _copied(chosen))


def datasets(scratch: Path) -> Reader:
    """Dataset directories that store their examples, and that compute them."""
    source = scratch / "datasets"
    options = SudokuOptions(box=(2, 2), train=6, test=3, kind="any")
    build_sudoku(source / "stored", options)
    build_arc(source / "online", ArcOptions(source=(ROOT / "docs/examples/arc",), augmentations=3))

    def read(folder: Path) -> None:
        for root in (folder / "stored", folder / "online"):
            for split in ("train", "test"):
                _tried(lambda root=root, split=split: task_of(open_dataset(root, split)))
            _tried(lambda root=root: find_faults(root))

    return Reader(_files(source), read, _copied(source))


def arc_sources(scratch: Path) -> Reader:
    """Task files of ARC, alone and in archives."""
    task = json.loads(next((ROOT / "docs/examples/arc").rglob("*.json")).read_text())
    folder = _made(scratch / "arc")
    for name, value in (("one", task), ("many", {"a": task, "b": task}), ("pairs", task["train"] * 3)):
        (folder / f"{name}.json").write_text(json.dumps(value))
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "one.json", "training/one.json")
    for suffix in ("", ".gz", ".bz2", ".xz"):
        with tarfile.open(folder / f"t.tar{suffix}", f"w:{suffix[1:]}") as packed:
            packed.add(folder / "many.json", "training/many.json")

    def read(where: Path) -> None:
        for path in sorted(where.iterdir()):
            _tried(lambda path=path: read_arc([path]))

    return Reader(_files(folder), read)


def configurations(scratch: Path) -> Reader:
    """Files for `trainer --config`; a setting that is wrong is added, so that no run starts."""
    values = {
        "preset": "small",
        "data": {"train": 50, "box": [2, 2]},
        "arch": {"hidden_size": 16, "H_layers": 1, "expansion": 2.0},
        "train": {"steps": 5, "lr": 1e-3, "global_batch_size": 8},
    }
    text = json.dumps(values).encode()
    yaml = b"preset: small\ndata:\n  train: 50\narch: {hidden_size: 16}\ntrain:\n  steps: 5\n  lr: 0.001\n"
    files = {"a.json": _any(text, damage.document(values)), "a.yaml": _any(yaml, damage.document(values))}

    def read(folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if trainer(["--config", str(path), "--train.steps", "0"]) != 2:
                raise AssertionError("the mistake in the flags was not noticed")

    return Reader(files, read)


def puzzles(scratch: Path) -> Reader:
    """Files of puzzles of every kind, as `evaluator solve --file` reads them."""
    from hrm_evaluator.puzzles._read import read_board, read_file

    sudoku, maze = "1..4..3.2...4..1", "S  #\n # #\n   G\n    \n"
    sources = {
        "a.txt": f"# title\n{sudoku}\n\n1..|4\n..3.\n2...\n4..1\n",
        "b.txt": maze,
        "c.csv": f"id,puzzle,solution\n1,{sudoku},{sudoku}\n",
        "d.json": json.dumps({"puzzles": [sudoku, [[1, 0, 0, 4]] * 4], "name": {"question": sudoku}}),
        "e.json": json.dumps({"train": [], "test": [{"input": [[1, 2], [3, 0]], "output": [[1]]}]}),
        "f.xml": f'<?xml version="1.0"?>\n<opensudoku><game data="{sudoku}"/><puzzle>{sudoku}</puzzle></opensudoku>',
        "g.jsonl": "".join(json.dumps({"puzzle": sudoku}) + "\n" for _ in range(3)),
        "h.sdk": "version: 2\n" + "0|0|1|" * 16,
    }
    tasks = [get_task(name) for name in ("sudoku-2x2", "maze-4x4", "arc1")]

    def read(folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            for task in tasks:
                for puzzle in read_file(path, task):
                    if len(puzzle.problem) > 500:
                        raise AssertionError(f"a problem of {len(puzzle.problem)} characters")
                    if not puzzle.problem:
                        _tried(lambda task=task, puzzle=puzzle: read_board(task, puzzle.text))

    files = {
        name: _any(text.encode(), *([damage.document(json.loads(text))] if name.endswith(".json") else []))
        for name, text in sources.items()
    }
    return Reader(files, read)


def commands(scratch: Path) -> Reader:
    """Whole runs that a command line opens: it ends with an exit code and never with a traceback."""
    config = TrainConfig(steps=3, global_batch_size=4, lr_warmup_steps=0)
    model = HRM(HRMConfig(**SMALL, halt_max_steps=2))
    model.task = json.dumps(get_task("sudoku-2x2").to_json())
    settings = {"format": 1, "task": json.loads(model.task), "data_path": str(scratch / "none"), "dataset": "sudoku"}
    run = RunDirectory.fill(_made(scratch / "commands"), settings)
    save_checkpoint(run.checkpoint_directory, make_train_step(model, config), Position(1, 1))

    def read(folder: Path) -> None:
        for words in (["solve", "1..4..3.2...4..1", "--json"], []):
            if evaluator([*words, "--checkpoint", str(folder)]) not in (0, 1, 2):
                raise AssertionError("another exit code")

    return Reader(
        {name: made for name, made in _files(run.path).items() if "lock" not in name}, read, _copied(run.path)
    )


READERS = {
    "weights": weights,
    "checkpoints": checkpoints,
    "torch": torch_files,
    "datasets": datasets,
    "arc": arc_sources,
    "configurations": configurations,
    "puzzles": puzzles,
    "commands": commands,
}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _tried(attempt: Callable[[], Any]) -> None:
    """Read; an error of ours must be short and printable."""
    try:
        found = attempt()
        if isinstance(found, HRM):
            mx.eval(found.parameters())
    except ERRORS as error:
        check_message(str(error))


def check_message(text: str) -> None:
    """Raise `AssertionError` for a message that is too long or that a terminal would obey."""
    if len(text) > 2100 or not all(line.isprintable() for line in text.split("\n")):
        raise AssertionError(f"a message of {len(text)} characters: {text[:300]!r}")
