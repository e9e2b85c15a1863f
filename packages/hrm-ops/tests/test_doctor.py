"""``python -m hrm_ops`` says what MLX computes on, how fast, what is broken and what to install for speed."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import mlx.core as mx
import pytest
from hrm_ops import DeviceInfo, device_info, diagnose
from hrm_ops.__main__ import main
from hrm_ops.doctor._busy import OtherWork, settled_seconds

SOURCE = Path(__file__).parents[1] / "src"
linux_cpu = pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device().type == mx.DeviceType.gpu, reason="Linux CPU only"
)


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hrm_ops", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_the_device_has_a_name_memory_and_a_backend() -> None:
    info = device_info()
    assert isinstance(info, DeviceInfo)
    assert info.chip
    assert info.platform
    assert info.mlx
    assert info.backend in ("cpu", "metal", "cuda")
    assert info.memory >= info.memory_available > 2**20
    assert info.cores >= 1


def test_fused_kernels_are_those_that_mlx_accepts() -> None:
    for name, sizes in device_info().fused_attention.items():
        for size in sizes:
            q = mx.ones((1, 1, 128, size), getattr(mx, name))
            mx.eval(mx.fast.scaled_dot_product_attention(q, q, q, scale=1.0, force_fused=True))


def test_text_names_everything_that_decides_the_speed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    rows = ["platform", "chip", "backend", "memory", "MLX", "BLAS", "compile", "fused attention", "matmul", "attention"]
    for row in (*rows, "verdict"):
        assert f"\n{row}" in f"\n{out}"


def test_json_is_one_object_with_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"]["backend"] == device_info().backend
    assert found["device"]["blas"]["active"] == device_info().blas.active
    assert found["rates"]["matmul"] > 0
    assert found["rates"]["attention"] > 0
    assert found["verdict"] in ("fast", "slow", "busy")
    assert (found["verdict"] == "busy") <= bool(found["busy"])
    assert found["problems"] == []


def test_an_unknown_argument_is_a_users_mistake() -> None:
    done = doctor("--jsn")
    assert done.returncode == 2
    assert "--jsn" in done.stderr


@linux_cpu
def test_without_a_compiler_it_is_slow_and_says_what_to_install() -> None:
    done = doctor("--json", PATH="/nonexistent")
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"], found["compile_works"]) == (0, "slow", False)
    assert "g++" in found["advice"][0]


@linux_cpu
def test_a_compiler_that_fails_is_broken(tmp_path: Path) -> None:
    executable(tmp_path / "g++", '#!/bin/sh\n[ "$1" = --version ] || exit 1\n')
    done = doctor("--json", PATH=f"{tmp_path}:{os.environ['PATH']}")
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"]) == (1, "broken")
    assert found["problems"][0].startswith(f"mx.compile has no effect: {tmp_path}/g++ cannot compile MLX's kernels")
    assert "repair it" in found["problems"][0]


@linux_cpu
def test_a_compiler_that_does_not_even_give_its_version_is_broken_too(tmp_path: Path) -> None:
    executable(tmp_path / "g++", "#!/bin/sh\nexit 1\n")
    done = doctor(PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert f"mx.compile has no effect: {tmp_path}/g++ does not work" in done.stdout
    assert "reinstall g++" in done.stdout


@linux_cpu
def test_a_missing_blas_is_slow_and_says_what_to_install() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); sys.modules['scipy_openblas32'] = None\n"
        "from hrm_ops.__main__ import main; sys.exit(main([]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install scipy-openblas32" in done.stdout
    assert "slow" in done.stdout.splitlines()[-1]


@linux_cpu
def test_a_blas_that_cannot_be_loaded_is_broken_and_says_why(tmp_path: Path) -> None:
    library = tmp_path / "scipy_openblas32" / "lib" / "libscipy_openblas.so"
    library.parent.mkdir(parents=True)
    library.write_text("no library")
    (tmp_path / "scipy_openblas32" / "__init__.py").write_text("")
    done = doctor(PYTHONPATH=f"{tmp_path}:{SOURCE}", PYTHONWARNINGS="ignore")
    assert (done.returncode, done.stderr) == (1, "")
    assert "scipy-openblas32 is installed but does not serve" in done.stdout
    assert "libscipy_openblas.so" in done.stdout
    assert "Remedy: pip install --force-reinstall scipy-openblas32" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["verdict", "broken"]


@pytest.mark.parametrize(
    ("backend", "cores", "rates", "slow"),
    [
        ("cpu", 2, {"matmul": 259.0, "attention": 90.0}, ""),
        ("cpu", 64, {"matmul": 1500.0, "attention": 60.0}, ""),
        ("cpu", 4, {"matmul": 39.9, "attention": 20.0}, "Matrix products reach 39.9 GFLOP/s, where at least 40 are"),
        ("cpu", 2, {"matmul": 4.1, "attention": 3.0}, "Matrix products reach 4.1 GFLOP/s, where at least 20 are"),
        ("cpu", 2, {"matmul": 259.0, "attention": 12.0}, "Attention reaches 12.0 GFLOP/s, where at least 26 are"),
        ("metal", 8, {"matmul": 2000.0, "attention": 900.0}, ""),
        ("cuda", 16, {"matmul": 311000.0, "attention": 2600.0}, ""),
        (
            "cuda",
            8,
            {"matmul": 150.0, "attention": 900.0},
            "Matrix products reach 150.0 GFLOP/s, where at least 200 are",
        ),
    ],
)
def test_the_verdict_is_that_of_the_rates(
    monkeypatch: pytest.MonkeyPatch, backend: str, cores: int, rates: dict[str, float], slow: str
) -> None:
    blas = replace(device_info().blas, active=True)
    device = replace(device_info(), backend=backend, cores=cores, blas=blas)
    monkeypatch.setattr("hrm_ops.doctor._device.device_info", lambda: device)
    monkeypatch.setattr("hrm_ops.doctor._diagnose._rates", lambda backend: (rates, []))
    monkeypatch.setattr("hrm_ops.doctor._diagnose._check_compile", lambda backend: ("", ""))
    monkeypatch.setattr("hrm_ops.doctor._diagnose._has_nvidia_driver", lambda: False)
    found = diagnose()
    assert (found.verdict, found.problems) == ("slow" if slow else "fast", [])
    assert found.advice[0].startswith(slow) if slow else not found.advice
    for busy in (["other programs use 80% of the 2 cores"], ["repeated measurements differ"]):
        monkeypatch.setattr("hrm_ops.doctor._diagnose._rates", lambda backend, busy=busy: (rates, busy))
        found = diagnose()
        assert (found.verdict, found.busy) == ("busy", busy)  # neither slow nor fast, whatever the rates
        assert busy[0] in found.advice[0]


def test_a_measurement_goes_on_until_the_fastest_rounds_agree() -> None:
    waits = chain([0.05], (0.004 * (1 + n) for n in range(9, 0, -1)), repeat(0.004))
    seconds = settled_seconds(lambda: time.sleep(next(waits)))
    assert 0.004 <= seconds.fastest < 0.008  # not one of the nine disturbed rounds
    assert seconds.spread >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/stat is Linux's")
def test_other_programs_on_the_same_cores_are_noticed_and_own_work_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat, clock = tmp_path / "stat", [100.0]
    times = {"all": 0, "own": 0.0}

    def write() -> None:
        cores = sorted(os.sched_getaffinity(0))
        lines = [f"cpu{n} {times['all']} 0 0 1000 50 0 0 0 0 0" for n in cores]
        stat.write_text(
            "cpu 1 2 3 4 5 6 7 8 9 10\n" + "\n".join(lines) + "\ncpu99999 77777 0 0 0 0 0 0 0 0 0\nintr 1\n"
        )

    monkeypatch.setattr("hrm_ops.doctor._busy._STAT", stat)
    monkeypatch.setattr("hrm_ops.doctor._busy.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("hrm_ops.doctor._busy.os.times", lambda: (times["own"], 0.0, 0.0, 0.0, 0.0))
    write()
    before = OtherWork()
    ticks, cores = os.sysconf("SC_CLK_TCK"), len(os.sched_getaffinity(0))
    clock[0], times["all"], times["own"] = 110.0, 10 * ticks, 10.0 * cores
    write()
    assert before.signs(spread=1.1) == []
    times["own"] = 4.0 * cores
    assert before.signs(spread=1.1) == [f"other programs use 60% of the {cores} cores"]
    assert len(before.signs(spread=3.0)) == 2


def test_without_processor_times_the_load_average_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrm_ops.doctor._busy._used", lambda: None)
    monkeypatch.setattr("hrm_ops.doctor._busy.os.getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert "load average is 1000.0" in OtherWork().signs(spread=1.0)[0]
    monkeypatch.setattr("hrm_ops.doctor._busy.os.getloadavg", lambda: (0.1, 0.0, 0.0))
    assert OtherWork().signs(spread=1.0) == []


def without_backend(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``mlx.core`` fails to load, as after ``pip install mlx`` on Linux."""
    package = tmp_path / "mlx"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "core.py").write_text("raise ImportError('libmlx.so: cannot open shared object file')")
    return {"PYTHONPATH": f"{tmp_path}:{SOURCE}"}


def test_without_a_backend_it_is_broken_and_says_why(tmp_path: Path) -> None:
    done = doctor("--json", **without_backend(tmp_path))
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["device"]) == ("broken", None)
    assert "libmlx.so" in found["problems"][0]
    assert "mlx[cpu]" in found["problems"][0]


def test_without_a_backend_every_name_says_what_to_install(tmp_path: Path) -> None:
    environment = os.environ | without_backend(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "from hrm_ops import attention"],
        **{"env": environment, "capture_output": True, "text": True, "timeout": 60},
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: hrm_ops.attention needs MLX")
    assert "mlx[cpu]" in last


def test_two_backends_in_one_environment_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"mlx-cpu": "1.0", "mlx-cuda-13": "1.0"}
    monkeypatch.setattr("hrm_ops.doctor._backend.installed_backends", lambda: both)
    found = diagnose()
    assert found.verdict == "broken"
    assert "mlx-cpu and mlx-cuda-13 are both installed" in found.problems[0]
