"""Every built wheel works alone: in an empty environment, outside the workspace, with only what it asks for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A wheel of the workspace needs MLX, and MLX on Linux a backend, which the user chooses.
BACKEND = ["mlx[cpu]"] if sys.platform == "linux" else []
LINUX_ONLY = {"scipy-openblas32", "mlx-cpu"} if sys.platform == "linux" else set()
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env=clean, capture_output=True, text=True, timeout=900, check=False
    )


def uv(*arguments: str | Path) -> None:
    """Run uv in the workspace, whose date bounds versions: from its cache, else over the network; skip without both."""
    program = shutil.which("uv")
    if program is None:
        pytest.skip("uv is not installed, so no wheel can be built")
    for network in ([], ["--offline"]):
        done = run(program, *arguments, *network, cwd=ROOT)
        if done.returncode == 0:
            return
    assert "network was disabled" in done.stderr or "cache" in done.stderr, done.stderr
    pytest.skip(f"neither uv's cache nor the network has what a wheel needs: {done.stderr.strip().splitlines()[0]}")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    uv("build", "--quiet", "--all-packages", "--wheel", "--out-dir", folder)
    return folder


def install(name: str, wheels: Path, path: Path, *also: str) -> Path:
    """Install one wheel into an empty environment and return its Python."""
    uv("venv", "--quiet", "--python", sys.executable, path / "venv")
    python = path / "venv" / "bin" / "python"
    [wheel] = wheels.glob(f"{name}-*.whl")
    uv("pip", "install", "--quiet", "--python", python, "--find-links", wheels, wheel, *also)
    return python


def execute(python: Path, code: str, path: Path) -> str:
    done = run(python, "-I", "-W", "error", "-c", code, cwd=path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(python: Path, path: Path) -> set[str]:
    code = "from importlib import metadata\nprint(*(d.metadata['Name'].lower() for d in metadata.distributions()))"
    return set(execute(python, code, path).split())


OPS = """
import importlib.util
import mlx.core as mx, mlx.nn as nn, mlx.optimizers as optim
import hrm_ops
from hrm_ops import MinimalTransformer, attention
assert not any(importlib.util.find_spec(name) for name in ("hrm_data", "hrm_model", "hrm_train", "numpy"))
q, kv = mx.random.normal((2, 8, 100, 64)), mx.random.normal((2, 2, 100, 64))
error = attention(q, kv, kv, mask="causal") - attention(q, kv, kv, mask="causal", backend="reference")
assert mx.abs(error).max().item() < 1e-4
model, optimizer = MinimalTransformer(11, dims=64, num_heads=4, num_layers=2), optim.Adam(1e-3)
tokens = mx.random.randint(0, 11, (4, 9))
def loss(model):
    return nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:], reduction="mean")
before, gradients = nn.value_and_grad(model, loss)(model)
optimizer.update(model, gradients)
assert loss(model).item() < before.item()
"""

DATA = """
import importlib.util
import hrm_data
assert not any(importlib.util.find_spec(name) for name in ("mlx", "hrm_ops", "hrm_model", "hrm_train"))
assert all(getattr(hrm_data, name) is not None for name in hrm_data.__all__)
"""

MODEL = """
import importlib.util
import mlx.core as mx
from hrm_model import HRM, HRMConfig, Predictor
assert not any(importlib.util.find_spec(name) for name in ("hrm_data", "hrm_train"))
config = HRMConfig(
    seq_len=16, vocab_size=6, num_puzzle_identifiers=1, hidden_size=32, num_heads=2, H_layers=1, L_layers=1,
    puzzle_emb_ndim=32, halt_max_steps=2, forward_dtype="float32",
)
tokens = mx.ones((2, 16), mx.int32)
answer = Predictor(HRM(config))(
    {"inputs": tokens, "labels": tokens, "puzzle_identifiers": mx.zeros((2,), mx.int32)}
)
assert answer.tokens.shape == (2, 16)
"""


def test_hrm_ops_alone_attends_and_trains_and_brings_only_what_it_names(wheels: Path, tmp_path: Path) -> None:
    python = install("hrm_ops", wheels, tmp_path, *BACKEND)
    assert installed(python, tmp_path) - {"mlx-metal"} == {"hrm-ops", "mlx"} | LINUX_ONLY
    execute(python, OPS, tmp_path)
    assert '"verdict"' in run(python, "-I", "-m", "hrm_ops", "--json", cwd=tmp_path).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its backend elsewhere")
def test_hrm_ops_without_a_backend_says_which_to_install(wheels: Path, tmp_path: Path) -> None:
    python = install("hrm_ops", wheels, tmp_path)
    done = run(python, "-I", "-m", "hrm_ops", cwd=tmp_path)
    assert done.returncode == 1
    assert "hrm-ops[cpu]" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its backend elsewhere")
def test_the_extra_brings_the_backend(wheels: Path, tmp_path: Path) -> None:
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--find-links", wheels, "hrm-ops[cpu]")
    execute(python, OPS, tmp_path)


def test_hrm_data_alone_needs_no_mlx(wheels: Path, tmp_path: Path) -> None:
    execute(install("hrm_data", wheels, tmp_path), DATA, tmp_path)


def test_a_task_of_another_package_is_known_once_that_is_installed(wheels: Path, tmp_path: Path) -> None:
    python = install("hrm_data", wheels, tmp_path)
    words = ["build", "hitori", "--output", tmp_path / "made", "--size", "4", "--train", "5", "--test", "2"]
    assert "'hitori' is unknown" in run(python.with_name("hrm-data"), *words, cwd=tmp_path).stderr
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", ROOT / "docs" / "examples" / "hitori")
    done = run(python.with_name("hrm-data"), *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_hrm_model_alone_answers(wheels: Path, tmp_path: Path) -> None:
    execute(install("hrm_model", wheels, tmp_path, *BACKEND), MODEL, tmp_path)


def test_hrm_train_alone_can_be_imported(wheels: Path, tmp_path: Path) -> None:
    execute(install("hrm_train", wheels, tmp_path, *BACKEND), "import hrm_train", tmp_path)


@pytest.mark.parametrize("command", ["trainer", "evaluator"])
def test_an_apps_wheel_brings_its_command(command: str, wheels: Path, tmp_path: Path) -> None:
    python = install(f"hrm_{command}", wheels, tmp_path, *BACKEND)
    done = run(python.with_name(command), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
