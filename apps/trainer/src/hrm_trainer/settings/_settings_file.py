"""Reads the settings of a run from a JSON or YAML file, such as a run's `config.json`."""

from pathlib import Path
from typing import Any

from hrm_data.command_line import CommandError, leaves, read_settings
from hrm_data.untrusted import shortened
from hrm_model import ArchConfig, HRMConfig

FORMAT = 1
_NOT_SETTINGS = ("format", "task", "generated", "data_fingerprint", "data_files")
_OF_THE_TASK = ("data.", "task.")
_SWITCHES = {f"arch.{name}" for name, field in ArchConfig.model_fields.items() if field.annotation is bool} | {
    "oversubscribe"
}
_FROM_THE_DATA = HRMConfig.model_fields.keys() - ArchConfig.model_fields.keys()


def read_settings_file(path: str | Path) -> dict[str, Any]:
    """Return the settings in a JSON or YAML file; a run's `config.json` is one.

    Raises:
        CommandError: The file is missing, has another suffix, or holds no settings.
    """
    content = read_settings(path)
    where = f"--config {path}"
    if content.get("format", FORMAT) != FORMAT:
        raise CommandError(
            f"{where}: format {shortened(content['format'])} is not the one that this version reads ({FORMAT}); "
            "upgrade hrm-trainer"
        )
    for name in ("config", "resume"):
        if name in content:
            raise CommandError(f"{where}: {name} {shortened(content[name])}: can only be given on the command line")
    for name in ("data", "arch", "train"):
        if not isinstance(content.get(name, {}), dict):
            raise CommandError(
                f"{where}: {name} {shortened(content[name])}: should hold a mapping from names to settings"
            )
    for name, value in leaves(content):
        allowed = name in _SWITCHES or name in _NOT_SETTINGS or name.startswith(_OF_THE_TASK)
        if isinstance(value, bool) and not allowed:
            raise CommandError(f"{where}: {name} {value}: is true or false, but should be a value")

    if content.get("generated"):
        content.pop("data_path", None)  # made from the data settings, as it will be again
    if "format" in content and "arch" in content:
        content["arch"] = {k: v for k, v in content["arch"].items() if k not in _FROM_THE_DATA}
    return {k: v for k, v in content.items() if k not in _NOT_SETTINGS}


def read_run_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a run's `config.json`, with the dataset that it used if that still exists."""
    data_path = read_settings(path).get("data_path")
    settings = read_settings_file(path)
    if isinstance(data_path, str) and Path(data_path).exists():
        settings["data_path"] = data_path
    return settings
