"""Options that are off by default, and reports to Weights & Biases, through the command line."""

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

COMMAND = [sys.executable, "-m", "hrm_trainer"]


def only(directory: str = "runs") -> Path:
    (run,) = Path(directory).iterdir()
    return run


def reports(run: Path) -> list[dict]:
    lines = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == "train"]


def arrays(run: Path, step: int, file: str = "model") -> dict[str, np.ndarray]:
    loaded = mx.load(str(run / f"checkpoints/step-{step:08}/{file}.safetensors"))
    return {name: np.array(array) for name, array in loaded.items()}


def flags(**settings: object) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--train.{name}", str(value))]


def test_the_average_of_the_weights_is_what_a_checkpoint_exports_and_it_survives_a_resume(trainer, small):
    config = small(checkpoint_interval=6, eval_interval=12)
    for runs, words in (("plain", []), ("ema", flags(ema_decay=0.9))):
        assert trainer("--config", config, "--runs", runs, *words).code == 0
    plain, exported, trained = (
        arrays(only("plain"), 12),
        arrays(only("ema"), 12),
        arrays(only("ema"), 12, "training"),
    )
    head = "lm_head.weight"
    assert np.array_equal(trained[f"trained.{head}"], plain[head])  # averaging changes no training
    assert not np.array_equal(exported[head], plain[head])
    for path in (only("ema") / "checkpoints/step-00000012").iterdir():
        path.unlink()
    assert trainer("--resume", only("ema")).code == 0
    for file, before in (("model", exported), ("training", trained)):
        after = arrays(only("ema"), 12, file)
        assert all(np.array_equal(after[name], array) for name, array in before.items())


def test_early_stopping_ends_the_run_at_the_first_report_that_is_good_enough(trainer, small):
    config = small(steps=400, log_interval=10, eval_interval=1000, checkpoint_interval=1000, lr=0.01, lr_warmup_steps=5)
    words = [*flags(early_stop_accuracy=0.02), "--data.hints", 1.0]
    assert trainer("--config", config, *words).code == 0
    *before, last = reports(only())
    assert last["exact_accuracy"] >= 0.02
    assert all(report["exact_accuracy"] < 0.02 for report in before)
    assert last["step"] < 400
    assert (only() / f"checkpoints/step-{last['step']:08}").is_dir()
    assert "reached early_stop_accuracy 0.02" in trainer("--resume").out


@pytest.mark.parametrize(
    "words",
    [
        flags(halting="fixed", halt_warmup_steps=0, clip_norm=0.1),
        ["--arch.halt_loss", "bce", "--arch.forward_dtype", "bfloat16"],
        flags(micro_batch_size=2, activation_checkpointing="blocks", memory_limit_gib=4, cache_limit_gib=0.1),
    ],
    ids=["fixed halting, clipping", "bce, bfloat16", "micro-batches, checkpointing, limits"],
)
def test_an_option_trains_and_shows_in_the_report(words, trainer, small):
    assert trainer("--config", small(), *words).code == 0
    line = reports(only())[-1]
    assert np.isfinite(line["loss"])
    assert {"model_flops_utilisation", "data_wait", "memory_gib", "puzzles_per_second"} <= line.keys()
    assert ("q_continue_loss" in line) == ("bce" not in words)
    if "fixed" in words:
        assert line["halting_steps"][:2] == [0, 0]
        assert line["halting_steps"][2] > 0


def test_micro_batches_end_with_the_weights_of_one_batch(trainer, small, trained):
    assert trainer("--config", small(), "--runs", "several", *flags(micro_batch_size=2)).code == 0
    for name, array in arrays(trained, 12).items():
        np.testing.assert_allclose(arrays(only("several"), 12)[name], array, rtol=1e-4, atol=1e-4, err_msg=name)


def test_without_a_compiler_it_trains_the_same_and_says_so_once(small, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = os.environ | {"PATH": str(empty), "TMPDIR": str(empty)}  # no kernel of another process either
    done = subprocess.run(
        [*COMMAND, "--config", str(small())], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("there is no g++") == 1
    assert len(reports(only())) == 3


def test_a_compiler_that_fails_is_named_with_the_remedy_and_training_goes_on(small, tmp_path):
    broken = tmp_path / "g++"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] || [ "$1" = -dumpversion ] && exit\necho out of luck\nexit 1\n')
    broken.chmod(0o755)
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(kernels)}
    command = [*COMMAND, "--config", str(small())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert said.count(f"{broken} cannot compile MLX's kernels (out of luck); repair it") == 1
    assert len(reports(only())) == 3


def test_a_kernel_folder_of_somebody_else_is_named_and_training_goes_on(small, start, kernels_of, tmp_path):
    """All but one of the kernels are in the other folder already, as most of a minute would go into compiling them."""
    process = start("--config", small(steps=100_000, checkpoint_interval=12), "--runs", "first")
    while not list(Path("first").glob("*/checkpoints/step-*")):
        assert process.poll() is None
        time.sleep(0.02)
    *present, missing = kernels_of(process)
    process.kill()
    own = tmp_path / "cache" / "hrm" / "kernels" / "mlx" / mx.__version__ / "cpu"
    own.mkdir(parents=True)
    for part in (own, *own.parents):
        if part.is_relative_to(tmp_path / "cache"):
            part.chmod(0o700)
    for kernel in present:
        (own / kernel.name).write_bytes(kernel.read_bytes())
    kernels = tmp_path / "kernels"
    folder = kernels / "mlx" / mx.__version__ / "cpu"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    environment = os.environ | {"TMPDIR": str(kernels), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [*COMMAND, "--config", str(small())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert f"{folder} can be written to by every user, so kernels go to {tmp_path}/cache/hrm/kernels" in said
    assert "g++" not in said
    assert (own / missing.name).exists()


def wandb_records(run: Path) -> list[dict[str, str]]:
    """What Weights & Biases keeps of an offline run: a log of protocol buffers in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = run.glob("wandb/offline-run-*/run-*.wandb")
    content, at, message, records = file.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # no header fits: the rest of the block is padding
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        message += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record.FromString(message)
            message = b""
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                records.append({item.key or ".".join(item.nested_key): item.value_json for item in items})
    return records


@pytest.mark.dev
def test_weights_and_biases_gets_every_report_offline_without_an_account(small):
    pytest.importorskip("wandb", reason="needs the dependency group dev")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment["HOME"] = str(Path.cwd())  # where no login is
    command = [*COMMAND, "--config", str(small()), "--wandb", "offline"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    records = [record for record in wandb_records(only()) if "train/lm_loss" in record]
    lines = reports(only())
    assert [float(record["train/lm_loss"]) for record in records] == pytest.approx([line["lm_loss"] for line in lines])
    assert any("train/halting_steps" in key for key in records[0])


@pytest.mark.dev
@pytest.mark.parametrize(
    ("mode", "missing", "said"), [("online", False, "not logged in"), ("offline", True, "wandb")], ids=str
)
def test_without_login_or_package_one_line_says_so_and_training_goes_on(mode, missing, said, small, tmp_path):
    pytest.importorskip("wandb", reason="needs the dependency group dev")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment["HOME"] = str(tmp_path)
    if missing:
        (tmp_path / "hidden").mkdir()
        (tmp_path / "hidden" / "wandb.py").write_text("raise ImportError('wandb is not here')")
        environment["PYTHONPATH"] = str(tmp_path / "hidden")
    command = [*COMMAND, "--config", str(small()), "--wandb", mode]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = [line for line in done.stdout.splitlines() if "--wandb" in line]
    assert said in line
    assert "training goes on" in line
    assert len(reports(only())) == 3
