"""MLX's CPU kernels compile where that is possible at all, and the real cause is named where it is not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import hrm_ops
import mlx.core as mx
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or mx.default_device().type == mx.DeviceType.gpu or shutil.which("g++") is None,
    reason="for g++, which MLX calls on a Linux CPU",
)
REAL = shutil.which("g++") or ""

COMPILE = """
import hrm_ops, json, mlx.core as mx, os
info = hrm_ops.prepare_kernels(warn=False)
x = mx.arange(1000, dtype=mx.float32)
right = mx.allclose(mx.compile(lambda x: mx.square(x * 0.25) + x)(x), mx.square(x * 0.25) + x).item()
changed = [patch.name for patch in hrm_ops.patches()]
print(json.dumps({"problem": info.problem, "note": info.note, "right": right, "changed": changed,
                  "tmp": os.environ["TMPDIR"]}))
"""
# What g++ 13 and newer do to MLX's sources where the wheel has no headers, and what the renaming does where it has.
REFUSES_PLAIN = """case "$*" in
  *-fPIC*-D_Float32=*|*-D_Float32=*-fPIC*) ;;
  *-fPIC*/mlx/*) echo "error: redeclaration of C++ built-in type '_Float32'"; exit 1 ;;
esac"""
REFUSES_RENAMED = """case "$*" in *-D_Float*) echo "error: 'mlx_float32' does not name a type"; exit 1 ;; esac"""
REFUSES_ALL = (
    """case "$*" in *-fPIC*) echo "In file included from x.h:"; echo "x.h:1: error: out of luck"; exit 1 ;; esac"""
)


# What the compiler makes of a source with the same flags is the same: it is kept for the other tests of this file.
KEEPS = """case "$*" in *-fPIC*) ;; *) exec {real} "$@" ;; esac
source= out= flags=
for word; do
  case "$last,$word" in
    -o,*) out=$word ;;
    *,*.cpp) source=$word ;;
    *) flags="$flags $word" ;;
  esac
  last=$word
done
[ -f "$source" ] && [ -n "$out" ] || exec {real} "$@"
kept={kept}/$( (echo "$flags"; cat "$source") | sha256sum | cut -d " " -f 1)
if [ ! -f "$kept" ]; then
  {real} "$@" || exit
  cp "$out" "$kept.$$" && mv "$kept.$$" "$kept"
fi
exec cp "$kept" "$out"
"""


class Machine:
    """A machine with its own compiler, directory for temporary files and cache."""

    kept: Path

    def __init__(self, path: Path, behaviour: str = "") -> None:
        self.path = path
        self.tmp = path / "tmp"
        self.log = path / "calls"
        for name in ("bin", "tmp"):
            (path / name).mkdir()
        self.compiler = path / "bin" / "g++"
        self.compiler.write_text(
            f'#!/bin/sh\necho "$*" >>{self.log}\n{behaviour}\n' + KEEPS.format(real=REAL, kept=self.kept)
        )
        self.compiler.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{self.compiler.parent}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(self.tmp),
            "XDG_CACHE_HOME": str(path / "cache"),
        }
        self.environment.pop("HRM_OPS_PATCH", None)

    def run(self, code: str = COMPILE, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        env = self.environment | environment
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done

    def compile(self, **environment: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.run(**environment).stdout)
        assert found.pop("right")
        return found

    def calls(self) -> list[str]:
        """The compilations since the last call of this method."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line for line in lines if "-fPIC" in line]


@pytest.fixture(scope="module", autouse=True)
def _keep(tmp_path_factory: pytest.TempPathFactory) -> None:
    Machine.kept = tmp_path_factory.mktemp("kept")


def test_where_plain_mlx_compiles_nothing_is_renamed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, REFUSES_RENAMED)
    found = machine.compile()
    assert (found["problem"], found["note"]) == ("", "")
    assert "g++" not in found["changed"]
    assert not any("-D_Float" in call for call in machine.calls())


def test_where_plain_mlx_fails_the_wrapper_helps(tmp_path: Path) -> None:
    found = Machine(tmp_path, REFUSES_PLAIN).compile()
    assert found["problem"] == ""
    assert "g++" in found["changed"]


@pytest.mark.parametrize("behaviour", ["", REFUSES_PLAIN])
def test_one_kernel_is_tried_once_and_the_result_is_remembered(tmp_path: Path, behaviour: str) -> None:
    machine = Machine(tmp_path, behaviour)
    machine.compile()
    assert machine.calls()
    changed = machine.compile()["changed"]
    assert machine.calls() == []  # neither the kernel that is tried nor that of the program, which was kept
    assert ("g++" in changed) == bool(behaviour)


def test_another_compiler_is_tried_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.compile()
    machine.compiler.write_text(machine.compiler.read_text() + "# another\n")
    machine.calls()
    machine.compile()
    assert machine.calls()


def test_importing_compiles_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run("import hrm_ops, mlx.core as mx; mx.eval(hrm_ops.rms_norm(mx.ones((4, 8))))")
    assert machine.calls() == []


def test_where_nothing_helps_it_computes_uncompiled_and_names_the_compilers_error(tmp_path: Path) -> None:
    machine = Machine(tmp_path, REFUSES_ALL)
    found = machine.compile()
    assert found["problem"] == (
        f"{machine.compiler} cannot compile MLX's kernels (x.h:1: error: out of luck); "
        "repair it or put another g++ first in the PATH"
    )
    assert "g++" not in found["changed"]
    warned = machine.run("import hrm_ops; hrm_ops.prepare_kernels(); hrm_ops.prepare_kernels()")
    assert warned.stderr.count("KernelWarning: mx.compile has no effect") == 1


def test_without_a_compiler_that_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    machine = Machine(tmp_path)
    found = machine.compile(PATH=str(empty))
    assert str(found["problem"]).startswith("there is no g++ in the PATH; install g++")


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda folder: folder.chmod(0o777), "can be written to by every user"),
        (lambda folder: (folder.rmdir(), folder.write_text("")), "is no directory"),
        pytest.param(
            lambda folder: os.chown(folder, 54321, -1),
            "belongs to another user, number 54321",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away"),
        ),
    ],
    ids=["of everybody", "a file", "of somebody else"],
)
def test_a_folder_of_others_is_not_used_and_the_users_own_takes_its_place(tmp_path: Path, spoil, cause: str) -> None:
    machine = Machine(tmp_path)
    folder = machine.tmp / "mlx" / mx.__version__ / "cpu"
    folder.mkdir(parents=True)
    spoil(folder)
    found = machine.compile()
    assert found["problem"] == ""
    assert str(found["note"]).startswith(f"{folder} {cause}, so kernels go to {tmp_path}/cache/hrm/kernels; set TMPDIR")
    assert found["tmp"] == f"{tmp_path}/cache/hrm/kernels"
    assert "TMPDIR" in found["changed"]
    assert (tmp_path / "cache" / "hrm" / "kernels").stat().st_mode & 0o777 == 0o700


def test_where_no_folder_can_hold_kernels_it_computes_uncompiled_and_names_the_first(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for base in (machine.tmp, tmp_path / "cache" / "hrm" / "kernels"):
        base.mkdir(parents=True, exist_ok=True)
        (base / "mlx").write_text("")
    found = machine.compile()
    assert str(found["problem"]).startswith(
        f"{machine.tmp}/mlx is no directory; {tmp_path}/cache/hrm/kernels/mlx is no directory; set TMPDIR to a"
    )
    assert machine.calls() == []


def test_in_a_directory_of_several_users_kernels_go_to_the_users_own(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.tmp.chmod(0o1777)  # as /tmp
    found = machine.compile()
    assert (found["problem"], found["note"]) == ("", "")
    assert not list(machine.tmp.iterdir())
    own = tmp_path / "cache" / "hrm" / "kernels"
    assert list(own.rglob("*.so"))
    for folder in (own, *(path for path in own.rglob("*") if path.is_dir())):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_uid == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_somebody_else_is_not_used_either(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.tmp.chmod(0o1777)
    own = tmp_path / "cache" / "hrm" / "kernels"
    own.mkdir(parents=True)
    os.chown(own, 54321, -1)
    theirs = machine.tmp / "mlx"
    theirs.mkdir()
    os.chown(theirs, 54321, -1)
    found = machine.compile()
    assert f"{theirs} belongs to another user, number 54321; {own} belongs to another user" in str(found["problem"])
    assert machine.calls() == []


def test_without_a_cache_a_folder_of_the_users_own_is_made_among_those_of_others(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.tmp.chmod(0o1777)
    found = machine.compile(XDG_CACHE_HOME="/proc/none")
    assert (found["problem"], found["tmp"]) == ("", str(machine.tmp))
    assert list(machine.tmp.rglob("*.so"))
    assert (machine.tmp / "mlx").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["TMPDIR", "TMP"])
def test_an_empty_name_of_a_directory_is_none(name: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    del machine.environment["TMPDIR"]
    found = machine.compile(**{name: ""})
    assert (found["problem"], found["note"]) == ("", "")
    assert found["tmp"] == f"{tmp_path}/cache/hrm/kernels"


@pytest.mark.parametrize(
    "spoil",
    [lambda whole: b"", lambda whole: whole[:100], lambda whole: whole[:-100], lambda whole: bytes(len(whole))],
    ids=["empty", "only begun", "cut", "zeros"],
)
def test_damaged_kernels_are_compiled_again_and_that_is_said(spoil, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.compile()
    (kernel,) = machine.tmp.rglob("lib*.so")
    kernel.write_bytes(spoil(kernel.read_bytes()))
    found = machine.compile()
    assert found["note"] == f"1 damaged kernel was removed from {kernel.parent}; MLX compiles again"
    assert machine.compile()["note"] == ""


SLOW = """case "$*" in *-fPIC*) for out; do :; done; {real} "$@" || exit
  cp "$out" "$out.whole"; head -c 200 "$out.whole" >"$out"; touch {begun}
  sleep 2; cp "$out.whole" "$out"; exit ;; esac"""


def test_a_kernel_that_another_process_writes_is_not_loaded(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.compile()  # the check of the compiler
    (kernel,) = machine.tmp.rglob("lib*.so")
    kernel.unlink()
    begun = tmp_path / "begun"
    memory = next(machine.tmp.rglob("hrm-ops.json"))
    machine.compiler.write_text(f'#!/bin/sh\n{SLOW.format(real=REAL, begun=begun)}\nexec {REAL} "$@"\n')
    found = machine.compiler.stat()
    memory.write_text(json.dumps({f"{machine.compiler.resolve()} {found.st_size} {found.st_mtime_ns}": False}))
    first = subprocess.Popen([sys.executable, "-c", COMPILE], env=machine.environment, stdout=subprocess.PIPE)
    try:
        while not begun.exists():
            assert first.poll() is None
            time.sleep(0.01)
        assert machine.compile()["problem"] == ""
        assert json.loads(first.communicate(timeout=300)[0])["right"]
    finally:
        first.kill()
        first.wait()
    assert kernel.exists()
    assert not list(kernel.parent.glob("*.part"))


def test_a_spared_compiler_gets_no_stop_signal(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    machine = Machine(tmp_path, f'case "$*" in *-fPIC*) touch {begun}; sleep 1 ;; esac')
    program = """
import hrm_ops, mlx.core as mx, signal
hrm_ops.prepare_kernels(warn=False)
came = []
signal.signal(signal.SIGINT, lambda *_: came.append(True))
print("ready", flush=True)
input()
with hrm_ops.compilers_spared():
    x = mx.arange(1000, dtype=mx.float32)
    mx.eval(mx.compile(lambda x: mx.square(x * 0.25) + x)(x))
print(came)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=machine.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        begun.unlink(missing_ok=True)
        process.stdin.write("\n")
        process.stdin.flush()
        while not begun.exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
        process.communicate()
    assert (out, err) == ("[True]\n", "")


def can_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount")
@pytest.mark.parametrize(
    ("options", "cause"),
    [("size=48k", "is full: "), ("size=64m,noexec", "noexec"), ("size=64m,ro", "Read-only file system")],
    ids=["full", "noexec", "read-only"],
)
def test_a_directory_that_cannot_hold_kernels_is_named_with_the_cause(tmp_path: Path, options: str, cause: str) -> None:
    machine = Machine(tmp_path)
    mount = f'mount -t tmpfs -o "{options}" tmpfs "$TMPDIR" && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", COMPILE]
    done = subprocess.run(command, env=machine.environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert cause in found["note"]
    assert str(machine.tmp) in found["note"]
    assert "set TMPDIR" in found["note"]


PROGRAM = """
#include <cmath>
#include <cstdlib>
_Float32 half = 0.5f;
int main() { return std::abs(half - 0.5f) < 1e-6 ? 0 : 1; }
"""


def test_other_sources_pass_the_wrapper_unchanged(tmp_path: Path) -> None:
    """An ordinary program with flags like MLX's, of a child of a process for which the wrapper is needed."""
    machine = Machine(
        tmp_path, REFUSES_PLAIN + '\ncase "$*" in *ordinary*-D_Float*|*-D_Float*ordinary*) exit 9 ;; esac'
    )
    source = tmp_path / "mlx" / "backend" / "cpu" / "ordinary.cpp"
    source.parent.mkdir(parents=True)
    source.write_text(PROGRAM.replace("_Float32", "float"))
    build = ["g++", "-O3", str(source), "-o", str(tmp_path / "program")]
    shared = ["g++", "-std=c++17", "-shared", "-fPIC", "-c", str(source), "-o", str(tmp_path / "object")]
    code = (
        "import hrm_ops, subprocess\n"
        "hrm_ops.prepare_kernels()\n"
        "assert 'g++' in [patch.name for patch in hrm_ops.patches()]\n"
        f"subprocess.run({build!r}, check=True)\nsubprocess.run([{str(tmp_path / 'program')!r}], check=True)\n"
    )
    machine.run(code)
    assert not any("-D_Float" in call for call in machine.log.read_text().splitlines() if "ordinary" in call)
    (tmp_path / "other").mkdir()
    Machine(tmp_path / "other").run(
        f"import hrm_ops, subprocess\nhrm_ops.prepare_kernels()\nsubprocess.run({shared!r}, check=True)\n"
    )


def test_the_switch_leaves_everything_out(tmp_path: Path) -> None:
    machine = Machine(tmp_path, REFUSES_PLAIN)
    found = machine.compile(HRM_OPS_PATCH="0")
    assert found["changed"] == []
    assert "redeclaration" in str(found["problem"])
    code = """
import os
before = dict(os.environ)
import hrm_ops, mlx.core as mx
hrm_ops.prepare_kernels(warn=False)
assert dict(os.environ) == before
assert not hrm_ops.blas_info().active and hrm_ops.blas_info().reason == "HRM_OPS_PATCH is 0."
assert mx.matmul(mx.ones((8, 8)), mx.ones((8, 8)))[0, 0].item() == 8
"""
    machine.run(code, HRM_OPS_PATCH="0")


EXPLAIN = """
import mlx.core as mx, os
from hrm_ops import explain_mlx_error
x = mx.arange(1000, dtype=mx.float32)
os.environ["TMPDIR"] = ""  # "filesystem error: temp directory path": no name of a function before it
try:
    mx.eval(mx.compile(lambda x: mx.square(x * 0.25) + x)(x))
except RuntimeError as error:
    print(explain_mlx_error(error))
"""


def test_an_error_of_mlx_is_known_whatever_its_text(tmp_path: Path) -> None:
    said = Machine(tmp_path).run(EXPLAIN).stdout
    assert said.count("\n") == 1
    assert "MLX_DISABLE_COMPILE=1" in said


def test_what_mlx_says_of_a_kernel_becomes_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    from hrm_ops import explain_mlx_error
    from hrm_ops.linux._compiler import explain

    def raised(work: Callable[[], object]) -> str:
        with pytest.raises(RuntimeError) as caught:
            work()
        return explain_mlx_error(caught.value)

    class Misleading:
        def __call__(self) -> None:
            raise RuntimeError("Python says this")

    assert raised(Misleading()) == ""
    assert raised(lambda: mx.load(str(tmp_path / "missing.safetensors"))).startswith("[load_safetensors]")
    damaged = explain("Could not load C++ shared library x.so: file too short", tmp_path)
    assert "is damaged; remove that folder" in damaged
    said = explain_mlx_error(RuntimeError("[Compile::eval_cpu] Failed to compile function F: the output is: no"))
    assert "cannot compile MLX's kernels (no)" in said
    assert "MLX_DISABLE_COMPILE=1" in said
    assert explain_mlx_error(RuntimeError("[write] out of space")) == "[write] out of space"
    assert explain_mlx_error(RuntimeError("something else")) == ""


UNITS = """
import mlx.core as mx
from hrm_ops import SwiGLU, TransformerBlock, uncompiled
mx.random.seed(0)
block, x = TransformerBlock(64, 2, 4.0), mx.random.normal((2, 90, 64))
units = lambda x: (block(x), SwiGLU(64, 4.0)(x), SwiGLU(64, 4.0)(x[:1, :2]))
{}
"""


def test_what_is_uncompiled_needs_no_compiler_and_computes_the_same(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(UNITS.format("mx.eval(uncompiled(units)(x))"))
    assert machine.calls() == []
    machine.run(UNITS.format("mx.eval(SwiGLU(64, 4.0)(x))"))
    assert machine.calls()
    same = "assert mx.allclose(uncompiled(block)(x), block(x), atol=1e-5).item()"
    machine.run(UNITS.format(same), TMPDIR=os.environ.get("TMPDIR", str(machine.tmp)))  # where kernels may be already


@pytest.mark.parametrize("first", ["own", "other"])
def test_wrappers_of_two_copies_of_the_package_do_not_call_each_other_for_ever(first: str, tmp_path: Path) -> None:
    """As in a process that has imported one copy and starts another with the other copy."""
    own, other = Path(hrm_ops.__file__).parent / "linux" / "gxx", tmp_path / "gxx"
    shutil.copytree(own, other)
    caller = tmp_path / "bin"
    caller.mkdir()
    (caller / "g++").write_text('#!/bin/sh\nexec g++ "$@"\n')  # calls the first of the PATH again
    (caller / "g++").chmod(0o755)
    folders = {"own": (own, other, caller, own), "other": (other, own, caller, other)}[first]
    path = os.pathsep.join(map(str, (*folders, Path(REAL).parent)))
    environment = os.environ | {"PATH": path + os.pathsep + os.environ["PATH"]}
    command = [str(folders[0] / "g++"), "--version"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert found == subprocess.run([REAL, "--version"], capture_output=True, text=True, check=True).stdout
