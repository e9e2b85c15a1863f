"""Every built wheel works alone: in an empty environment, outside the workspace, with only what it asks for."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BEFORE = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
LINUX_ONLY = {"scipy-openblas32", "mlx-cpu", "platformdirs"} if sys.platform == "linux" else set()
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env=clean, capture_output=True, text=True, timeout=900, check=False
    )


def uv(*arguments: str | Path) -> None:
    """Run uv as if outside the workspace: from its cache, else over the network; skip without both."""
    program = shutil.which("uv")
    if program is None:
        pytest.skip("uv is not installed, so no wheel can be built")
    for network in ([], ["--offline"]):
        done = run(program, *arguments, "--no-config", *network, cwd=ROOT)
        if done.returncode == 0:
            return
    assert "network was disabled" in done.stderr or "cache" in done.stderr, done.stderr
    pytest.skip(f"neither uv's cache nor the network has what a wheel needs: {done.stderr.strip().splitlines()[0]}")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    uv("build", "--quiet", "--all-packages", "--wheel", "--out-dir", folder)
    return folder


def install(name: str, wheels: Path, path: Path) -> Path:
    """Install one wheel into an empty environment and return its Python."""
    uv("venv", "--quiet", "--python", sys.executable, path / "venv")
    python = path / "venv" / "bin" / "python"
    [wheel] = wheels.glob(f"{name}-*.whl")
    uv("pip", "install", "--quiet", "--exclude-newer", BEFORE, "--python", python, "--find-links", wheels, wheel)
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
assert not any(importlib.util.find_spec(name) for name in ("hrm_data", "hrm_model", "hrm_train"))
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
from pathlib import Path
import hrm_data
from hrm_data import TrainLoader, open_dataset
from hrm_data.sudoku import SudokuOptions, build_sudoku
assert not any(importlib.util.find_spec(name) for name in ("mlx", "hrm_ops", "hrm_model", "hrm_train"))
assert all(getattr(hrm_data, name) is not None for name in hrm_data.__all__)
root = build_sudoku(Path("sudoku"), SudokuOptions(box=(2, 2), train=20, test=5))
batch = next(TrainLoader(open_dataset(root, "train"), batch_size=8, seed=0))
assert batch["inputs"].shape == (8, 16)
"""

MODEL = """
import importlib.util
import mlx.core as mx, mlx.nn as nn, mlx.optimizers as optim
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
model, optimizer = HRM(config), optim.Adam(1e-2)
def loss(model):
    z = mx.zeros((2, config.total_len, config.hidden_size))
    logits = model(z, z, model.embed(tokens, mx.zeros((2, config.puzzle_emb_ndim)))).logits
    return nn.losses.cross_entropy(logits, tokens, reduction="mean")
before, gradients = nn.value_and_grad(model, loss)(model)
optimizer.update(model, gradients)
assert loss(model).item() < before.item()
"""


def test_hrm_ops_alone_attends_and_trains_and_brings_only_what_it_names(wheels: Path, tmp_path: Path) -> None:
    python = install("hrm_ops", wheels, tmp_path)
    assert installed(python, tmp_path) - {"mlx-metal"} == {"hrm-ops", "mlx", "einops", "numpy"} | LINUX_ONLY
    execute(python, OPS, tmp_path)
    assert '"verdict"' in run(python, "-I", "-m", "hrm_ops", "--json", cwd=tmp_path).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its backend elsewhere")
def test_hrm_ops_without_a_backend_says_which_to_install(wheels: Path, tmp_path: Path) -> None:
    python = install("hrm_ops", wheels, tmp_path)
    uv("pip", "uninstall", "--quiet", "--python", python, "mlx-cpu")  # as one does before a CUDA backend
    done = run(python, "-I", "-m", "hrm_ops", cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install 'mlx[cpu]' (or 'mlx[cuda13]'" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv")
@pytest.mark.parametrize(
    ("options", "backend"),
    [
        ("", "mlx-cpu"),
        ("--no-group cpu --group cuda12", "mlx-cuda-12"),
        ("--no-group cpu --group cuda13", "mlx-cuda-13"),
    ],
)
def test_the_workspace_installs_the_one_backend_that_was_chosen(options: str, backend: str) -> None:
    command = ["uv", "export", "--quiet", "--offline", "--no-hashes", "--no-header", "--no-annotate"]
    done = run(*command, *options.split(), cwd=ROOT)
    if done.returncode and ("cache" in done.stderr or "network" in done.stderr):
        pytest.skip("uv can resolve the workspace neither from its lock file nor from its cache")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("mlx-") and "darwin" not in line]
    assert [line.partition("==")[0] for line in lines] == [backend]


def test_hrm_data_alone_needs_no_mlx(wheels: Path, tmp_path: Path) -> None:
    execute(install("hrm_data", wheels, tmp_path), DATA, tmp_path)


def test_a_task_of_another_package_is_known_once_that_is_installed(wheels: Path, tmp_path: Path) -> None:
    python = install("hrm_data", wheels, tmp_path)
    packages = sorted(path.parent for path in (ROOT / "docs" / "examples").glob("*/pyproject.toml"))
    builds = [
        ["build", path.name, "--output", tmp_path / path.name, "--train", "5", "--test", "2"] for path in packages
    ]
    for package, words in zip(packages, builds, strict=True):
        assert f"'{package.name}' is unknown" in run(python.with_name("hrm-data"), *words, cwd=tmp_path).stderr
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", *packages)
    for words in builds:
        done = run(python.with_name("hrm-data"), *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_hrm_model_alone_answers_and_trains(wheels: Path, tmp_path: Path) -> None:
    execute(install("hrm_model", wheels, tmp_path), MODEL, tmp_path)


def test_hrm_train_alone_can_be_imported(wheels: Path, tmp_path: Path) -> None:
    execute(install("hrm_train", wheels, tmp_path), "import hrm_train", tmp_path)


@pytest.mark.parametrize("command", ["trainer", "evaluator"])
def test_an_apps_wheel_brings_its_command(command: str, wheels: Path, tmp_path: Path) -> None:
    python = install(f"hrm_{command}", wheels, tmp_path)
    done = run(python.with_name(command), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
