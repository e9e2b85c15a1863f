"""Two real processes on loopback against one."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from hrm_train import HRMTrainError, Ranks

WORKER = Path(__file__).with_name("ranks_worker.py")
TOLERANCE = 1e-5  # of weights, after six steps at a rate of 1e-2: sums over slots are rounded in another order


def run_ranks(tasks: str, output: Path) -> list[int]:
    """Run tasks of the worker on two ranks and return their exit codes."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        ports = [item.getsockname()[1] for item in sockets]
    hosts = output / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in ports]))
    environment = os.environ | {"MLX_HOSTFILE": str(hosts)}
    command = [sys.executable, str(WORKER), tasks, str(output)]
    children = [subprocess.Popen(command, env=environment | {"MLX_RANK": str(rank)}) for rank in range(2)]
    return [child.wait(timeout=300) for child in children]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Everything that a step changes, after training in one process."""
    output = tmp_path_factory.mktemp("alone")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLX_")}
    subprocess.run([sys.executable, str(WORKER), "train", str(output)], env=environment, check=True, timeout=300)
    return dict(np.load(output / "train-0.npz"))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks leave after training."""
    output = tmp_path_factory.mktemp("together")
    assert run_ranks("train", output) == [0, 0]
    return output


def test_two_ranks_train_what_one_process_does(together: Path, alone: dict[str, np.ndarray]) -> None:
    two = np.load(together / "train-0.npz")
    assert two.keys() == alone.keys()
    for name, array in alone.items():
        exact = array.dtype.kind != "f" or name == "metrics.count"
        tolerance = 0 if exact else TOLERANCE if name.startswith("model.") else 1e-3
        np.testing.assert_allclose(two[name], array, rtol=tolerance, atol=tolerance, err_msg=name)


def test_ranks_stay_identical_bit_for_bit(together: Path) -> None:
    assert len({(together / f"train-{rank}.sha256").read_text() for rank in range(2)}) == 1


def test_two_ranks_under_mlx_launch_do_the_same(together: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = min(free.getsockname()[1], 65000)
    command = [str(Path(sys.executable).with_name("mlx.launch")), "-n", "2", "--hosts", "127.0.0.1", "-p", str(port)]
    command += ["--env", f"PATH={os.environ['PATH']}", sys.executable, str(WORKER), "train", str(tmp_path)]
    subprocess.run(command, check=True, timeout=300, stdin=subprocess.DEVNULL)
    for rank in range(2):
        name = f"train-{rank}.sha256"
        assert (tmp_path / name).read_text() == (together / name).read_text()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks write about what they agree on, in one life."""
    output = tmp_path_factory.mktemp("said")
    assert run_ranks("differ,share,share a table,fail,diverge", output) == [0, 0]
    return output


def test_ranks_that_differ_are_refused_on_both_with_both_values(said: Path) -> None:
    messages = [(said / f"differ-{rank}.txt").read_text() for rank in range(2)]
    assert messages[0] == messages[1]
    host = socket.gethostname()
    assert f"lr is 0.1 on rank 0 ({host}), but 0.2 on rank 1 ({host})" in messages[0]
    assert "seed" not in messages[0]


def test_what_rank_0_has_is_sent_bit_for_bit_and_turns_are_taken(said: Path) -> None:
    for rank in range(2):
        lead, summed, texts, found = eval((said / f"share-{rank}.txt").read_text())
        assert str(lead) == "{'a': [1.5, -0.0], 'b': [True, True]}"
        assert summed == [[2.0, 4.0], 1.0]
        assert texts == ["né au nord", ""]
        assert found == rank  # the second found what the first had left


def test_a_large_table_is_sent_without_a_second_one_beside_it(said: Path) -> None:
    for rank in range(2):
        same, memory = eval((said / f"share a table-{rank}.txt").read_text())
        assert same
        assert memory < 0.5  # of the table


def test_a_failure_in_one_ranks_turn_reaches_the_other(said: Path) -> None:
    assert (said / "fail-0.txt").read_text().startswith("HRMTrainError: rank 1: integer")
    assert (said / "fail-1.txt").read_text().startswith("ZeroDivisionError: integer")


def test_a_run_that_diverges_ends_on_every_rank_with_the_same_words(said: Path) -> None:
    messages = [(said / f"diverge-{rank}.txt").read_text() for rank in range(2)]
    assert messages[0] == messages[1]
    assert "loss or gradients are not finite" in messages[0]
    assert (Path(messages[0].partition("the last good checkpoint is ")[2]) / "SHA256SUMS").is_file()


def test_ranks_that_were_stopped_before_an_evaluation_make_it_up_together(tmp_path: Path) -> None:
    assert run_ranks("stop", tmp_path) == [0, 0]
    assert len({(tmp_path / f"stop-{rank}.txt").read_text().split(";")[0] for rank in range(2)}) == 1
    (metrics,) = (tmp_path / "stopped").glob("*/metrics.jsonl")
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    evaluations = [(line["step"], line["ranks"]) for line in lines if line["kind"] == "eval"]
    assert evaluations == [(step, 2) for step in range(1, 9)]


def test_a_rank_notices_the_death_of_another(tmp_path: Path) -> None:
    assert run_ranks("die", tmp_path) == [0, -9]
    assert "lost" in (tmp_path / "die-0.txt").read_text()


def test_a_process_alone_is_a_group_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    ranks, tree = Ranks.join(), {"a": mx.ones(3)}
    assert (ranks.rank, ranks.size, ranks.leads, ranks.share(8)) == (0, 1, True, slice(0, 8))
    assert all(of(tree) is tree for of in (ranks.average, ranks.sum, ranks.gather, ranks.from_lead))
    assert (ranks.texts("x"), ranks.in_turn(lambda: 5)) == (["x"], 5)
    ranks.check_same({"lr": 1})


def test_ranks_that_cannot_be_joined_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLX_RANK", "0")
    monkeypatch.setenv("MLX_HOSTFILE", str(tmp_path / "missing.json"))
    with pytest.raises(HRMTrainError, match="the other ranks cannot be joined"):
        Ranks.join()
