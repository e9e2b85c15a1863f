"""What a command's help does not load, so that it answers at once. How long it takes: tests/benchmarks/startup.py."""

import json
import subprocess
import sys

SLOW = ("mlx", "numpy", "matplotlib", "yaml", "PIL", "huggingface_hub", "wandb", "lightning_utilities")
COMMANDS = (
    ("hrm_trainer", "--help"),
    ("hrm_trainer", "--preset", "paper", "--help-all"),
    ("hrm_trainer", "--dataset", "arc1", "--help"),
    ("hrm_trainer", "--dataset", "maze", "--help"),
    ("hrm_trainer", "plot", "--help"),
    ("hrm_trainer", "import-checkpoint", "--help"),
    ("hrm_trainer", "export-checkpoint", "--help"),
    ("hrm_evaluator", "--help"),
    ("hrm_evaluator", "solve", "--help"),
    ("hrm_evaluator", "quantize", "--help"),
    ("hrm_data", "--help"),
    ("hrm_data", "build", "--help"),
    ("hrm_data", "build", "sudoku", "--help"),
    ("hrm_data", "build", "arc1", "--help"),
    ("hrm_data", "info", "--help"),
    ("hrm_data", "show", "--help"),
    ("hrm_data", "verify", "--help"),
)
RUN = """
import importlib, json, sys
slow, commands = json.loads(sys.argv[1])
for package, *words in commands:
    try:
        importlib.import_module(f"{package}.cli").main(words)
    except SystemExit as end:
        assert not end.code, (package, words)
    loaded = [name for name in slow if name in sys.modules]
    assert not loaded, f"{package} {words} loads {loaded}"
"""


def test_no_help_loads_what_it_does_not_show():
    run = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([SLOW, COMMANDS])], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.lower().count("usage:") == len(COMMANDS)


def test_the_packages_load_what_they_are_asked_for_and_nothing_more():
    code = (
        "import sys, hrm_data, hrm_model, hrm_train, hrm_evaluator\n"
        "from hrm_data import HRMDataError\nfrom hrm_model import HRMConfig\nfrom hrm_train import TrainConfig\n"
        "assert not {'mlx', 'numpy'} & sys.modules.keys()\n"
        "from hrm_model import HRM\nfrom hrm_data import TrainLoader\n"
        "assert {'mlx', 'numpy'} <= sys.modules.keys() and 'hrm_data.arc._build' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_before_a_command_handles_signals_it_loads_little():
    code = (
        "import sys, hrm_data.cli, hrm_evaluator.cli, hrm_trainer.cli, hrm_data.command_line._exit\n"
        "loaded = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "assert not {'pydantic', 'cyclopts', 'rich', 'typing_extensions'} & loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
