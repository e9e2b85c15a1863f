import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("g++") is None, reason="for g++, which MLX calls under Linux"
)

COMPILE = """
import hrm_ops, mlx.core as mx
with mx.stream(mx.cpu):
    x = mx.arange(1000, dtype=mx.float32)
    print(mx.compile(lambda x: mx.square(x * 0.5) + x)(x).sum().item())
"""


def run(tmp_path: Path, version: str, code: str = COMPILE) -> "subprocess.CompletedProcess[str]":
    """Run code where g++ says that it is of a version, and has these types built in from 13 on."""
    bin = tmp_path / "bin"
    bin.mkdir()
    compiler = bin / "g++"
    compiler.write_text(f"""#!/bin/sh
[ "$1" = -dumpversion ] && echo {version} && exit
case "{version} $*" in
  1[3-9]*-D_Float32=*) ;;
  1[3-9]*) echo "error: redeclaration of C++ built-in type '_Float32'"; exit 1 ;;
  *-D_Float*) echo "error: an older compiler needs no help"; exit 1 ;;
esac
exec {shutil.which("g++")} "$@"
""")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    kernels = tmp_path / "kernels"  # so that no kernel of an earlier process answers
    kernels.mkdir()
    env = os.environ | {"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(kernels)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", ["11", "12.2.0", "13", "14.2.0", "15.1.1"])
def test_kernels_compile_whatever_the_version_of_the_compiler(version: str, tmp_path: Path) -> None:
    done = run(tmp_path, version)
    assert done.returncode == 0, done.stderr
    x = mx.arange(1000, dtype=mx.float32)
    assert float(done.stdout) == pytest.approx((mx.square(x * 0.5) + x).sum().item(), rel=1e-6)


def test_a_process_that_is_started_by_another_finds_the_same_compiler(tmp_path: Path) -> None:
    again = (
        f"import hrm_ops, os, subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {COMPILE!r}]).returncode)"
    )
    done = run(tmp_path, "14", again)
    assert done.returncode == 0, done.stderr
