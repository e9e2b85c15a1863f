"""The evaluator prints the accuracy that the trainer's last line about held-out puzzles has."""

import json
import re
from pathlib import Path

import pytest
from hrm_evaluator.cli import main as evaluator
from hrm_trainer.cli import main as trainer

SETTINGS = {
    "preset": "small-6x6",
    "data": {"box": [2, 2], "train": 60, "test": 300},
    "arch": {"hidden_size": 16, "num_heads": 2, "H_layers": 1, "L_layers": 1, "halt_max_steps": 3},
    "train": {"steps": 12, "global_batch_size": 8, "lr": 3e-3, "seed": 1},
}
NAMES = {"exact_accuracy", "accuracy", "halting_accuracy", "mean_steps", "puzzles"}


@pytest.mark.parametrize(
    "changes", [{}, {"eval_limit": 37}, {"ema_decay": 0.5, "halting": "fixed", "act_steps": 2}], ids=str
)
def test_the_trainers_last_scores_are_the_evaluators(changes, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    settings = {**SETTINGS, "train": {**SETTINGS["train"], **changes}}
    Path("settings.json").write_text(json.dumps(settings))
    assert trainer(["--config", "settings.json"]) == 0
    said = capsys.readouterr().out
    (run,) = Path("runs").iterdir()
    last = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-1]
    assert last["kind"] == "eval"

    flags = ["--limit", str(changes["eval_limit"])] if "eval_limit" in changes else []
    assert evaluator(["--checkpoint", str(run), "--json", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    ours = {"puzzles": last["count"], "mean_steps": last["steps"], "halting_accuracy": last["q_halt_accuracy"]}
    ours |= {name: last[name] for name in ("exact_accuracy", "accuracy")}
    assert {name: found[name] for name in NAMES} == pytest.approx({name: ours[name] for name in NAMES}, abs=1e-12)

    (line,) = [line for line in said.splitlines() if line.startswith("held out, step 12")]
    exact, cells = re.search(r"exact accuracy (\S+), accuracy (\S+),", line).groups()
    assert evaluator(["--checkpoint", str(run), *flags]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f" accuracy {cells} cells that are right exact accuracy {exact} puzzles" in printed
    command = f"uv run evaluator --checkpoint {run}{' --limit 37' if flags else ''}\n"
    assert f"score it        {command}" in said
